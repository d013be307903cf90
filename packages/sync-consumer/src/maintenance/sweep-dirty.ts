import { type Keyspace, MAX_SCRIPT_SESSIONS, newestClockUs, type Scripts } from '@cauce/protocol';
import { type AskDeps, askPartitions } from '../redis/ask-partitions.ts';
import { unreadableSessions } from '../redis/unreadable-sessions.ts';

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
 * Finds dirty sessions whose event was lost and announces them again (P4).
 * Returns how many were announced. @throws RedisError as askPartitions
 */
export async function sweepDirty(
  deps: SweepDeps,
  { sweepAfterMs, ignoreRetryAt = false }: SweepOptions,
): Promise<number> {
  const { redis, keyspace, scripts } = deps;
  // Redis' own clock wrote the scores; this host's may differ.
  const dirtyBeforeUs = (await newestClockUs(redis)) - sweepAfterMs * 1000;
  let announced = 0;
  for (let partition = 0; partition < keyspace.partitions; partition++) {
    await askPartitions(deps, [{ partition }], 'sweep', () => sweepPartition(partition));
  }
  return announced;

  async function sweepPartition(partition: number): Promise<void> {
    let unreadable = 0;
    for (let offset = 0; ; ) {
      const keys = await redis.zrangebyscore(
        keyspace.dirty(partition),
        '-inf',
        dirtyBeforeUs.toFixed(0),
        'LIMIT',
        offset,
        MAX_SCRIPT_SESSIONS,
      );
      if (keys.length === 0) break;
      const outcomes = await scripts.sweep(partition, keys, { ignoreRetryAt });
      announced += outcomes.filter((outcome) => outcome === 'announced').length;
      unreadable += outcomes.filter((outcome) => outcome === 'unreadable').length;
      // Those that left the index made room: the next page begins that much earlier.
      offset += outcomes.filter((outcome) => outcome !== 'clean').length;
    }
    if (unreadable > 0) deps.onLeftAside([unreadableSessions(partition, unreadable)]);
  }
}
