import { type Keyspace, type RedisConnection, SYNC_GROUP } from '@cauce/protocol';
import type { PartitionEntries } from '../pipeline/read-batch.ts';
import type { CircuitBreaker } from '../postgres/circuit-breaker.ts';

export interface OwnershipDeps {
  readonly redis: RedisConnection;
  readonly keyspace: Keyspace;
  readonly circuit: CircuitBreaker;
}

/**
 * Shows a sign of life for the entries of a batch while it is worked on, so that no other consumer takes it over.
 * Not while PostgreSQL is away from here: another consumer that reaches it may have the batch, and when none does
 * nobody claims. Returns the function that ends it. A takeover does no harm, so neither does a sign that fails.
 */
export function keepOwnership(
  { redis, keyspace, circuit }: OwnershipDeps,
  batch: readonly PartitionEntries[],
  { consumer, claimIdleMs }: { consumer: string; claimIdleMs: number },
): () => void {
  const timer = setInterval(() => {
    if (!circuit.isUp) return;
    for (const { partition, entries } of batch) {
      const changes = keyspace.changes(partition);
      const ids = entries.map(([id]) => id);
      // By name, because ioredis' types know XCLAIM's options only in one fixed order.
      redis.call('XCLAIM', changes, SYNC_GROUP, consumer, 0, ...ids, 'JUSTID').catch(() => {});
    }
  }, claimIdleMs / 3);
  return () => clearInterval(timer);
}
