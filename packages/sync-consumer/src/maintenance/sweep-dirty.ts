import {
  countIn,
  type Keyspace,
  MAX_SCRIPT_SESSIONS,
  newestClockUs,
  type Scripts,
  textsIn,
} from '@cauce/protocol';
import { type AskDeps, askPartitions } from '../redis/ask-partitions.ts';
import { foreignMembers, unreadableSessions } from '../redis/unreadable-sessions.ts';

export interface SweepDeps extends AskDeps {
  readonly keyspace: Keyspace;
  readonly scripts: Pick<Scripts, 'sweep'>;
}

export interface SweepOptions {
  /** Sessions dirty for less than this are left alone, ms. */
  readonly sweepAfterMs: number;
  /** Announce parked sessions too, before their next attempt is due. Default false. */
  readonly ignoreRetryAt?: boolean;
}

/**
 * Finds dirty sessions whose event was lost and announces them again (P4). One that is dirty since a time in the future
 * was saved while the clock of Redis was ahead: it is due at once.
 * Returns how many were announced. @throws RedisError as askPartitions
 */
export async function sweepDirty(
  deps: SweepDeps,
  { sweepAfterMs, ignoreRetryAt = false }: SweepOptions,
): Promise<number> {
  const { redis, keyspace, scripts } = deps;
  // Redis' own clock wrote the scores; this host's may differ.
  const nowUs = await newestClockUs(redis);
  const due = { from: '-inf', to: (nowUs - sweepAfterMs * 1000).toFixed(0), aheadOfUs: '' };
  const ahead = { from: `(${nowUs.toFixed(0)}`, to: '+inf', aheadOfUs: nowUs.toFixed(0) };
  let announced = 0;
  for (let partition = 0; partition < keyspace.partitions; partition++) {
    await askPartitions(deps, [{ partition }], 'sweep', () => sweepPartition(partition));
  }
  return announced;

  async function sweepPartition(partition: number): Promise<void> {
    // First, because it gives them a time that is past.
    const unreadable = (await sweepRange(partition, ahead)) + (await sweepRange(partition, due));
    if (unreadable > 0) deps.onSkipped([unreadableSessions(partition, unreadable)]);
  }

  /** Returns how many cannot be read. */
  async function sweepRange(partition: number, { from, to, aheadOfUs }: typeof due): Promise<number> {
    let unreadable = 0;
    for (let offset = 0; ; ) {
      const reply = await redis.zrangebyscore(
        keyspace.dirty(partition),
        from,
        to,
        'LIMIT',
        offset,
        MAX_SCRIPT_SESSIONS,
      );
      const members = textsIn('sweep', reply);
      if (members.length === 0) return unreadable;
      // A key of elsewhere fails the call in a cluster. It names no session of this partition, so nothing is lost.
      const keys = members.filter((key) => keyspace.parse(key)?.partition === partition);
      const foreign = members.filter((key) => !keys.includes(key));
      if (foreign.length > 0) {
        countIn('sweep', await redis.zrem(keyspace.dirty(partition), ...foreign));
        deps.onSkipped([foreignMembers(partition, foreign.length)]);
      }
      const outcomes = await scripts.sweep(partition, keys, { ignoreRetryAt, aheadOfUs });
      announced += outcomes.filter((outcome) => outcome === 'announced').length;
      unreadable += outcomes.filter((outcome) => outcome === 'unreadable').length;
      // Those that left the range made room: the next page begins that much earlier. Ahead, that is all.
      if (aheadOfUs === '') offset += outcomes.filter((outcome) => outcome !== 'clean').length;
    }
  }
}
