import {
  entriesIn,
  type Keyspace,
  listIn,
  type StreamEntry,
  SYNC_GROUP,
  withDeadline,
} from '@cauce/protocol';
import { type AskDeps, askPartitions } from '../redis/ask-partitions.ts';
import type { PlannedRead } from './plan-reads.ts';

/** Entries of one partition, now pending for this consumer. */
export interface PartitionEntries {
  readonly partition: number;
  readonly entries: readonly StreamEntry[];
}

export interface ReadDeps extends AskDeps {
  readonly keyspace: Keyspace;
}

/** What was read, and the partitions whose stream or group is gone: deleted, or lost by Redis. */
export interface ReadBatch {
  readonly batch: readonly PartitionEntries[];
  readonly missingGroups: readonly number[];
}

/**
 * Reads what no consumer has read yet. Never blocks on the server, so it needs no connection of its own.
 * @throws RedisError as askPartitions
 */
export async function readBatch(
  deps: ReadDeps,
  reads: readonly PlannedRead[],
  { consumer, timeoutMs }: { consumer: string; timeoutMs: number },
): Promise<ReadBatch> {
  const { redis, keyspace } = deps;
  return gatherEntries(deps, reads, async ({ partition, count }) => {
    const changes = keyspace.changes(partition);
    const reply = await withDeadline(
      redis.xreadgroup('GROUP', SYNC_GROUP, consumer, 'COUNT', count, 'STREAMS', changes, '>'),
      timeoutMs,
    );
    if (reply === null) return [];
    const [ofStream] = listIn('read', reply, 1);
    const [, entries] = listIn('read', ofStream, 2);
    return entriesIn('read', entries);
  });
}

/** Asks each partition for entries; what fails in one does not hide what the others gave. */
export async function gatherEntries<Read extends { readonly partition: number }>(
  deps: AskDeps,
  reads: readonly Read[],
  ask: (read: Read) => Promise<readonly StreamEntry[]>,
): Promise<ReadBatch> {
  const missingGroups: number[] = [];
  const batch = await askPartitions(deps, reads, 'read', async (read): Promise<PartitionEntries> => {
    const { partition } = read;
    try {
      return { partition, entries: await ask(read) };
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOGROUP')) throw error;
      missingGroups.push(partition);
      return { partition, entries: [] };
    }
  });
  return { batch: batch.filter(({ entries }) => entries.length > 0), missingGroups };
}
