import { type Keyspace, newestClockUs, type RedisConnection, SYNC_GROUP } from '@cauce/protocol';

/** What Redis holds that PostgreSQL does not have yet. */
export interface Backlog {
  readonly dirtySessions: number;
  /** Since when the oldest of them has been unsynced, ms; 0 when there is none. This is the sync lag. */
  readonly oldestDirtyAgeMs: number;
  /** Events in the streams; never more than dirty sessions. */
  readonly waitingEvents: number;
  /** Of these: handed to a consumer and not settled. */
  readonly pendingEntries: number;
  readonly parkedSessions: number;
}

/** Reads the sizes of all partitions. @throws what ioredis throws */
export async function measureBacklog(redis: RedisConnection, keyspace: Keyspace): Promise<Backlog> {
  const nowMs = (await newestClockUs(redis)) / 1000;
  const partitions = await Promise.all(
    Array.from({ length: keyspace.partitions }, async (_, partition) => {
      const [dirty, oldest, waiting, pending, parked] = await Promise.all([
        redis.zcard(keyspace.dirty(partition)),
        redis.zrange(keyspace.dirty(partition), '0', '0', 'WITHSCORES'),
        redis.xlen(keyspace.changes(partition)),
        countPending(redis, keyspace.changes(partition)),
        redis.hlen(keyspace.parked(partition)),
      ]);
      return {
        dirty,
        oldestMs: oldest[1] === undefined ? undefined : Number(oldest[1]) / 1000,
        waiting,
        pending,
        parked,
      };
    }),
  );
  const sum = (field: 'dirty' | 'waiting' | 'pending' | 'parked'): number =>
    partitions.reduce((total, partition) => total + partition[field], 0);
  const oldestMs = Math.min(...partitions.map((partition) => partition.oldestMs ?? nowMs));
  return {
    dirtySessions: sum('dirty'),
    oldestDirtyAgeMs: Math.max(0, Math.round(nowMs - oldestMs)),
    waitingEvents: sum('waiting'),
    pendingEntries: sum('pending'),
    parkedSessions: sum('parked'),
  };
}

async function countPending(redis: RedisConnection, changes: string): Promise<number> {
  try {
    const [count] = (await redis.xpending(changes, SYNC_GROUP)) as [number];
    return Number(count);
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('NOGROUP')) return 0;
    throw error;
  }
}
