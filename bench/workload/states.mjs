import { createRandom } from './random.mjs';

const STEPS = ['menu', 'pay', 'address', 'confirm'];
/** So many different ones, so that no two saves of a user in a row are the same. */
const STATES = 64;

/** Chat states of exactly `stateBytes` as JSON: a step, a cart, and text that does not compress to nothing. */
export function createStates(stateBytes) {
  const random = createRandom(stateBytes);
  return Array.from({ length: STATES }, (_, i) => {
    const state = { step: STEPS[i % STEPS.length], cart: [i, i + 1, i + 2], isNew: i % 2 === 0, text: '' };
    const left = Math.max(0, stateBytes - JSON.stringify(state).length);
    state.text = Array.from({ length: left }, () => Math.floor(random() * 36).toString(36)).join('');
    return { state, json: JSON.stringify(state) };
  });
}
