import { createRandom } from './random.ts';

const STEPS = ['menu', 'pay', 'address', 'confirm'];
/** So many different ones, so that no two saves of a user in a row are the same. */
const STATES = 64;

export interface ChatState {
  readonly step: string;
  readonly cart: readonly number[];
  readonly isNew: boolean;
  readonly text: string;
  /** Since the epoch; where a suite asks how long ago it was saved. */
  readonly savedAtMs?: number;
}

export interface State {
  readonly state: ChatState;
  /** The same as JSON. */
  readonly json: string;
}

export interface States {
  readonly all: readonly State[];
  /** After the last one the first comes again. */
  nth(i: number): State;
}

/** Chat states of exactly `stateBytes` as JSON: a step, a cart, and text that does not compress to nothing. */
export function createStates(stateBytes: number): States {
  const random = createRandom(stateBytes);
  const make = (i: number): State => {
    const state = {
      step: STEPS[i % STEPS.length] ?? '',
      cart: [i, i + 1, i + 2],
      isNew: i % 2 === 0,
      text: '',
    };
    const left = Math.max(0, stateBytes - JSON.stringify(state).length);
    state.text = Array.from({ length: left }, () => Math.floor(random() * 36).toString(36)).join('');
    return { state, json: JSON.stringify(state) };
  };
  const all = Array.from({ length: STATES }, (_, i) => make(i));
  return { all, nth: (i) => all[i % STATES] ?? make(i % STATES) };
}
