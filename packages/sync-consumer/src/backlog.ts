import {
  countIn,
  type Keyspace,
  listIn,
  newestClockUs,
  type RedisConnection,
  SYNC_GROUP,
  textsIn,
} from '@cauce/protocol';

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
      const [, since = ''] = textsIn('backlog', oldest);
      const oldestMs = Number.parseFloat(since) / 1000;
      return {
        dirty: countIn('backlog', dirty),
        // Nobody knows since when one is dirty whose time is no time, or in the future: the sweep puts that right.
        oldestMs: Number.isFinite(oldestMs) ? oldestMs : undefined,
        waiting: countIn('backlog', waiting),
        pending,
        parked: countIn('backlog', parked),
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
    const [count] = listIn('backlog', await redis.xpending(changes, SYNC_GROUP), 4);
    return countIn('backlog', count);
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('NOGROUP')) return 0;
    throw error;
  }
}
