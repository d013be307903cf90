import {
  type Bounds,
  initialState,
  type State,
  steps,
  violationAfterHealing,
  violationOf,
  type Weakness,
} from './session-model.ts';

export interface Exploration {
  readonly states: number;
  /** The first violation found, with the shortest history that leads to it. */
  readonly violation: { readonly name: string; readonly history: readonly string[] } | undefined;
  /** Every name of a step that happened: a model whose rare steps never happen proves nothing. */
  readonly stepNames: ReadonlySet<string>;
}

/** Breadth first through every interleaving within the bounds; stops at the first violation. */
export function explore(bounds: Bounds, weakness: Weakness = {}): Exploration {
  const start = initialState(bounds);
  const seen = new Map<string, number>([[encode(start), 0]]);
  const queue: State[] = [start];
  const origins: { readonly from: number; readonly step: string }[] = [{ from: -1, step: '' }];
  const stepNames = new Set<string>();
  for (let at = 0; at < queue.length; at++) {
    const state = queue[at] as State;
    // Done with it: millions of states are held as short keys only.
    queue[at] = undefined as never;
    for (const { name, next, violation } of steps(state, weakness)) {
      stepNames.add(name);
      const key = encode(next);
      const isNew = !seen.has(key);
      const broken =
        violation ?? (isNew ? (violationOf(next) ?? violationAfterHealing(next, weakness)) : undefined);
      if (broken) {
        const history = [...historyOf(origins, at), name];
        return { states: seen.size, violation: { name: broken, history }, stepNames };
      }
      if (!isNew) continue;
      seen.set(key, queue.length);
      queue.push(next);
      origins.push({ from: at, step: name });
    }
  }
  return { states: seen.size, violation: undefined, stepNames };
}

function historyOf(
  origins: readonly { readonly from: number; readonly step: string }[],
  at: number,
): string[] {
  const history: string[] = [];
  for (let i = at; i > 0; i = origins[i]?.from ?? -1) history.unshift(origins[i]?.step ?? '');
  return history;
}

function encode(state: State): string {
  const { session, row, restore, acknowledged, left } = state;
  const bit = (value: boolean): number => (value ? 1 : 0);
  const ofRow = (one: { version: number; isTombstone: boolean } | null): string =>
    one ? `${one.version}${one.isTombstone ? 't' : 's'}` : '-';
  return [
    session ? `${ofRow(session)}${bit(session.isDirty)}${session.event}${bit(session.hasTtl)}` : '-',
    state.hlc,
    state.clock,
    state.events.map(({ id, state: eventState }) => `${id}${eventState.at(-1)}`).join(''),
    `${bit(state.isIndexed)}${bit(state.isLeased)}${bit(state.isPurged)}`,
    ofRow(row),
    ...state.consumers.map(
      ({ phase, event, version, isTombstone }) =>
        `${phase[0]}${phase[1]}${event}v${version}${bit(isTombstone)}`,
    ),
    `${restore.phase[0]}${bit(restore.holdsLease)}${ofRow(restore.row)}`,
    ofRow(acknowledged),
    state.loaded,
    `${left.operations}${left.evictions}${left.crashes}${left.clockSteps}${left.streamFaults}${left.purges}`,
  ].join('|');
}
