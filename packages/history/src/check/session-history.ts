// What was done to one session, arranged for the checks.
import type { Call, Write } from '../call.ts';
import type { StateHash } from '../state-hash.ts';

/** What is known of the saves of one state (null: none). */
interface Saved {
  /** Undefined: none of them was acknowledged. */
  newest: bigint | undefined;
  /**
   * Whether it may have unknown versions, because the outcome of a save is unknown. A copy of that save may arrive late,
   * too.
   */
  isUncertain: boolean;
}

/** What a load or a store has; the version is undefined if it is not known. */
export interface Held {
  readonly version: bigint | undefined;
  readonly state: StateHash | null;
}

export type Read = Call & Held;
/** A load that knows the version of what it found. */
export type Known = Read & { readonly version: bigint };

export function isKnown(read: Read): read is Known {
  return read.version !== undefined;
}

export interface SessionHistory {
  readonly session: string;
  readonly writes: readonly Call[];
  /** Loads that were answered, by start. */
  readonly reads: readonly Read[];
  /** By version; a repeated save that was answered only once more is one of them. */
  readonly acknowledged: readonly Write[];
  /** The acknowledged write with the highest version. */
  readonly newest: Write | undefined;
  readonly saved: ReadonlyMap<StateHash | null, Saved>;
  readonly stateAt: ReadonlyMap<bigint, StateHash | null>;
  /** No session existed before the history began. */
  readonly startsEmpty: boolean;
  /** Redis lost data: what was saved after that may have been given a version above its row's. */
  readonly mayBeReissued: boolean;
  /** The state before the first write, as the first load found it; undefined if not known, or if there was none. */
  readonly past: Held | undefined;
}

export interface ArrangeOptions {
  readonly startsEmpty: boolean;
  readonly mayBeReissued: boolean;
  /** States that may have unknown versions. */
  readonly restated: ReadonlySet<StateHash>;
}

export function arrange(session: string, calls: readonly Call[], options: ArrangeOptions): SessionHistory {
  const writes = calls.filter(({ op }) => op !== 'load');
  const acknowledged = onlyOnce(writes.filter(isAcknowledged).sort(byVersion));
  const reads = calls.filter((call): call is Read => isAnswered(call)).sort((a, b) => a.startUs - b.startUs);
  const history = {
    ...{ session, writes, reads, acknowledged, newest: acknowledged.at(-1) },
    ...savedBy(writes, options.restated),
    startsEmpty: options.startsEmpty,
    mayBeReissued: options.mayBeReissued,
    past: undefined,
  };
  return options.startsEmpty ? history : { ...history, past: pastOf(history) };
}

/** Whether a write, or the state before the first write, explains this value. */
export function isExplained(history: SessionHistory, { version, state }: Held): boolean {
  const { saved, stateAt, past } = history;
  const writes = saved.get(state);
  if (writes && (writes.isUncertain || version === undefined)) return true;
  if (version !== undefined && stateAt.get(version) === state) return true;
  const isReissued =
    writes?.newest !== undefined && version !== undefined && version > writes.newest && !stateAt.has(version);
  if (history.mayBeReissued && isReissued) return true;
  if (past?.state !== state) return false;
  return version === undefined || past.version === undefined || past.version === version;
}

/** The highest version that this may have had; undefined: no bound. */
export function newestVersionOf(
  { saved, past }: SessionHistory,
  { version, state }: Held,
): bigint | undefined {
  if (version !== undefined) return version;
  const writes = saved.get(state);
  if (!writes) return past?.state === state ? (past.version ?? 0n) : undefined;
  return writes.isUncertain ? undefined : writes.newest;
}

function savedBy(
  writes: readonly Call[],
  restated: ReadonlySet<StateHash>,
): Pick<SessionHistory, 'saved' | 'stateAt'> {
  const saved = new Map<StateHash | null, Saved>();
  const stateAt = new Map<bigint, StateHash | null>();
  for (const { state, outcome, version } of writes) {
    if (state === undefined || outcome === 'fail') continue;
    const entry = saved.get(state) ?? { newest: undefined, isUncertain: restated.has(state ?? '') };
    saved.set(state, entry);
    if (outcome === 'unknown') entry.isUncertain = true;
    else if (version !== undefined) {
      stateAt.set(version, state);
      if (entry.newest === undefined || version > entry.newest) entry.newest = version;
    }
  }
  return { saved, stateAt };
}

function pastOf(history: SessionHistory): Held | undefined {
  const [oldest] = history.acknowledged;
  const found = history.reads.find((read) => read.state !== null && !isExplained(history, read));
  const isOlder = found && (found.version === undefined || !oldest || found.version < oldest.version);
  return isOlder ? { version: found.version, state: found.state } : undefined;
}

function isAcknowledged(call: Call): call is Write {
  return call.outcome === 'ok' && call.version !== undefined;
}

function isAnswered({ op, outcome, state }: Call): boolean {
  return op === 'load' && outcome === 'ok' && state !== undefined;
}

/** Without the later answers to one operation that was applied once. */
function onlyOnce(writes: readonly Write[]): Write[] {
  return writes.filter((write, i) => {
    const before = writes[i - 1];
    return !(write.isReplay && before && before.version === write.version && before.opId === write.opId);
  });
}

function byVersion(a: Write, b: Write): number {
  if (a.version !== b.version) return a.version < b.version ? -1 : 1;
  return Number(a.isReplay) - Number(b.isReplay) || a.endUs - b.endUs;
}
