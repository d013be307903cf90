import {
  countIn,
  isCluster,
  type Keyspace,
  listIn,
  newestClockUs,
  type RedisConnection,
  SYNC_GROUP,
  textsIn,
} from '@cauce/protocol';
import { askAllPartitions, type PartitionFailure, skipNone } from './redis/ask-partitions.ts';

/** What Redis holds that PostgreSQL does not have yet. */
export interface Backlog {
  readonly dirtySessions: number;
  /** Since when the oldest of them has been unsynced, ms; 0 when there is none. This is the sync lag. */
  readonly oldestDirtyAgeMs: number;
  /** Events in the streams; never more than dirty sessions. */
  readonly streamEvents: number;
  /** Of these: handed to a consumer and not settled. */
  readonly pendingEvents: number;
  readonly parkedSessions: number;
}

/**
 * Reads the sizes of all partitions, in one go from a single server. By default every partition has to answer;
 * `onSkipped` gets those that do not, and the sums are without them. @throws RedisError as askAllPartitions
 */
export async function measureBacklog(
  redis: RedisConnection,
  keyspace: Keyspace,
  onSkipped: (failures: readonly PartitionFailure[]) => void = skipNone,
): Promise<Backlog> {
  const sizesOf = readSizes(redis, keyspace);
  const [nowUs, partitions] = await Promise.all([
    newestClockUs(redis),
    askAllPartitions({ redis, keyspace, onSkipped }, 'measure', ({ partition }) => sizesOf(partition)),
  ]);
  const sum = (field: 'dirty' | 'events' | 'pending' | 'parked'): number =>
    partitions.reduce((total, partition) => total + partition[field], 0);
  const nowMs = nowUs / 1000;
  const oldestMs = Math.min(...partitions.map((partition) => partition.oldestMs ?? nowMs));
  return {
    dirtySessions: sum('dirty'),
    oldestDirtyAgeMs: Math.max(0, Math.round(nowMs - oldestMs)),
    streamEvents: sum('events'),
    pendingEvents: sum('pending'),
    parkedSessions: sum('parked'),
  };
}

interface PartitionSizes {
  readonly dirty: number;
  readonly oldestMs: number | undefined;
  readonly events: number;
  readonly pending: number;
  readonly parked: number;
}

/** Asks for each partition's sizes, of a cluster by itself because a pipeline must not span its servers. */
function readSizes(
  redis: RedisConnection,
  keyspace: Keyspace,
): (partition: number) => Promise<PartitionSizes> {
  const read = async (partitions: readonly number[]): Promise<PipelineReply[]> => {
    const pipeline = redis.pipeline();
    for (const partition of partitions) {
      pipeline
        .zcard(keyspace.dirty(partition))
        .zrange(keyspace.dirty(partition), '0', '0', 'WITHSCORES')
        .xlen(keyspace.changes(partition))
        .xpending(keyspace.changes(partition), SYNC_GROUP)
        .hlen(keyspace.parked(partition));
    }
    return (await pipeline.exec()) ?? [];
  };
  if (isCluster(redis)) return async (partition) => sizesIn(await read([partition]));
  const all = read(Array.from({ length: keyspace.partitions }, (_, partition) => partition));
  return async (partition) => sizesIn((await all).slice(5 * partition, 5 * partition + 5));
}

type PipelineReply = [error: Error | null, reply: unknown];

/** @throws the first error among the replies, and RedisError for one that is of another form */
function sizesIn(replies: readonly PipelineReply[]): PartitionSizes {
  const [dirty, oldest, events, pending, parked] = replies.map(([error, reply]) => {
    // The group is made again by the next pass.
    if (error?.message.startsWith('NOGROUP')) return [0, null, null, null];
    if (error) throw error;
    return reply;
  });
  const [, since = ''] = textsIn('backlog', oldest);
  const oldestMs = Number.parseFloat(since) / 1000;
  return {
    dirty: countIn('backlog', dirty),
    // A time that is not a number, or in the future, is unknown: the sweep corrects it.
    oldestMs: Number.isFinite(oldestMs) ? oldestMs : undefined,
    events: countIn('backlog', events),
    pending: countIn('backlog', listIn('backlog', pending, 4)[0]),
    parked: countIn('backlog', parked),
  };
}
