import {
  type Keyspace,
  type RedisConnection,
  RedisError,
  type StreamEntry,
  SYNC_GROUP,
  withDeadline,
} from '@cauce/protocol';
import type { PlannedRead } from './plan-reads.ts';

/** Entries of one partition, now pending for this consumer. */
export interface PartitionEntries {
  readonly partition: number;
  readonly entries: readonly StreamEntry[];
}

export interface ReadDeps {
  readonly redis: RedisConnection;
  readonly keyspace: Keyspace;
}

/** What was read, and the partitions whose stream or group is gone: deleted by somebody, or lost by Redis. */
export interface ReadBatch {
  readonly batch: readonly PartitionEntries[];
  readonly missingGroups: readonly number[];
}

/**
 * Reads what no consumer has read yet. Never blocks on the server, so it needs no connection of its own.
 * @throws RedisError
 */
export async function readBatch(
  { redis, keyspace }: ReadDeps,
  reads: readonly PlannedRead[],
  { consumer, timeoutMs }: { consumer: string; timeoutMs: number },
): Promise<ReadBatch> {
  return gatherEntries(reads, async ({ partition, count }) => {
    const changes = keyspace.changes(partition);
    const reply = await withDeadline(
      redis.xreadgroup('GROUP', SYNC_GROUP, consumer, 'COUNT', count, 'STREAMS', changes, '>'),
      timeoutMs,
    );
    const [[, entries] = []] = (reply ?? []) as [string, StreamEntry[]][];
    return entries ?? [];
  });
}

/** Asks each partition for entries; a missing group of one does not hide what the others gave. */
export async function gatherEntries<Read extends { readonly partition: number }>(
  reads: readonly Read[],
  ask: (read: Read) => Promise<readonly StreamEntry[]>,
): Promise<ReadBatch> {
  const batch: PartitionEntries[] = [];
  const missingGroups: number[] = [];
  await Promise.all(
    reads.map(async (read) => {
      try {
        const entries = await ask(read);
        if (entries.length > 0) batch.push({ partition: read.partition, entries });
      } catch (error) {
        if (!(error instanceof Error) || !error.message.startsWith('NOGROUP'))
          throw RedisError.from(error, 'read');
        missingGroups.push(read.partition);
      }
    }),
  );
  return { batch, missingGroups };
}
