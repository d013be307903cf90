import { type Keyspace, type RedisConnection, SYNC_GROUP } from '@cauce/protocol';
import type { PartitionEntries } from '../pipeline/read-batch.ts';

/**
 * Shows a sign of life for the entries of a batch while it is worked on or waits for PostgreSQL, so that no other
 * consumer takes it over. Returns the function that ends it. A sign that fails is no loss: a takeover is harmless.
 */
export function keepOwnership(
  { redis, keyspace }: { redis: RedisConnection; keyspace: Keyspace },
  batch: readonly PartitionEntries[],
  { consumer, claimIdleMs }: { consumer: string; claimIdleMs: number },
): () => void {
  const timer = setInterval(() => {
    for (const { partition, entries } of batch) {
      const ids = entries.map(([id]) => id);
      // By name, because ioredis' types know XCLAIM's options only in one fixed order.
      redis
        .call('XCLAIM', keyspace.changes(partition), SYNC_GROUP, consumer, 0, ...ids, 'JUSTID')
        .catch(() => {});
    }
  }, claimIdleMs / 3);
  return () => clearInterval(timer);
}
