// What a Redis that was killed had acknowledged and not yet written to its append-only file.
import type { Call } from '../call.ts';

export interface RedisRestart {
  readonly killedUs: number;
  /** The version floor of each partition, as Redis has it after the restart. A session it lost was saved above it. */
  readonly floors: readonly (string | null)[];
  /** The version of each session that Redis has then. A save of such a session may be below the floor. Default: none. */
  readonly heldVersions?: ReadonlyMap<string, bigint>;
  /**
   * Since when acknowledged saves may be lost, if that is known: a replica was promoted that was behind. Then `killedUs`
   * is the time of the last acknowledgement. Every save under way in between may be lost, even if its answer was read
   * later. Default: what Redis puts off writing.
   */
  readonly lostSinceUs?: number;
  /** Its file was cut on purpose: what is lost may be older than what Redis puts off. Default false. */
  readonly isCut?: boolean;
}

/** Redis puts a write off for two seconds at most. */
const LONGEST_TAIL_US = 2_500_000;

/**
 * A session whose version is below an acknowledged one means that Redis lost the end of its file; of one that Redis
 * does not have, so does a floor below it. Whether such a save reached PostgreSQL before is not known: its outcome becomes
 * `unknown`, and what loads saw of it no longer counts. A save that a replica or PostgreSQL had is never forgotten.
 */
export function forgetLostTail(
  calls: readonly Call[],
  restarts: readonly RedisRestart[],
  partitionOf: (session: string) => number,
): {
  readonly calls: readonly Call[];
  readonly forgotten: number;
  /** Versions that Redis may not have any more, though PostgreSQL may. By session. */
  readonly lostVersions: ReadonlyMap<string, ReadonlySet<bigint>>;
} {
  const lostVersions = new Map<string, Set<bigint>>();
  if (restarts.length === 0) return { calls, forgotten: 0, lostVersions };
  const lost = new Set<Call>();
  const answered = calls.filter(({ outcome, version }) => outcome === 'ok' && version !== undefined);
  answered.sort((a, b) => a.endUs - b.endUs);
  for (const { killedUs, lostSinceUs, floors, heldVersions, isCut = false } of restarts) {
    // Cuts that follow each other with few saves between them reach back further and further.
    const sinceUs = lostSinceUs ?? (isCut ? 0 : killedUs - LONGEST_TAIL_US);
    for (let i = firstSince(answered, sinceUs); i < answered.length; i++) {
      const call = answered[i] as Call;
      if (lostSinceUs === undefined && call.endUs > killedUs) break;
      if (call.startUs > killedUs || call.durability === 'replica') continue;
      const { session, version = 0n } = call;
      const kept = heldVersions?.get(session) ?? BigInt(floors[partitionOf(session)] ?? '0');
      if (version <= kept) continue;
      if (call.op !== 'load')
        lostVersions.set(session, (lostVersions.get(session) ?? new Set()).add(version));
      if (call.durability === undefined) lost.add(call);
    }
  }
  return {
    calls: calls.map((call) => (lost.has(call) ? { ...call, outcome: 'unknown' } : call)),
    forgotten: [...lost].filter(({ op }) => op !== 'load').length,
    lostVersions,
  };
}

/** Where in calls that are sorted by their end those begin that ended since. */
function firstSince(calls: readonly Call[], sinceUs: number): number {
  let [low, high] = [0, calls.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((calls[middle] as Call).endUs < sinceUs) low = middle + 1;
    else high = middle;
  }
  return low;
}
