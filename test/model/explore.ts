export interface Step<State> {
  readonly name: string;
  readonly next: State;
  /** What this very step broke. */
  readonly violation?: string | undefined;
}

/** A protocol as a state machine; `Weakness` says which of its safeguards are left out. */
export interface Model<State, Bounds, Weakness> {
  initialState(bounds: Bounds): State;
  /** Every step that can happen next. */
  steps(state: State, weakness: Weakness): Step<State>[];
  /** What must hold in every state. */
  violationOf(state: State): string | undefined;
  /** The same with everybody who was under way dead, and no more faults to come. */
  quiet(state: State): State;
  /** What must hold once those who are left have done what there is to do. */
  violationAfterHealing(quietened: State, weakness: Weakness): string | undefined;
  /** Equal for equal states only. */
  encode(state: State): string;
}

export interface Exploration {
  readonly states: number;
  /** The first violation found, with the shortest history that leads to it. */
  readonly violation: { readonly name: string; readonly history: readonly string[] } | undefined;
  /** Every name of a step that happened: a model whose rare steps never happen proves nothing. */
  readonly stepNames: ReadonlySet<string>;
}

/** Breadth first through every interleaving within the bounds; stops at the first violation. */
export function explore<State, Bounds, Weakness>(
  model: Model<State, Bounds, Weakness>,
  bounds: Bounds,
  weakness: Weakness,
): Exploration {
  const { steps, violationOf, encode } = model;
  const start = model.initialState(bounds);
  // Many states heal alike.
  const healed = new Map<string, string | undefined>();
  function violationAfterHealing(state: State): string | undefined {
    const quietened = model.quiet(state);
    const key = encode(quietened);
    if (!healed.has(key)) healed.set(key, model.violationAfterHealing(quietened, weakness));
    return healed.get(key);
  }
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
      const broken = violation ?? (isNew ? (violationOf(next) ?? violationAfterHealing(next)) : undefined);
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
