import { RedisError } from '@cauce/protocol';
import {
  checkLayout,
  HEARTBEAT_STALE_MS,
  listConsumers,
  readHeartbeats,
} from '@cauce/sync-consumer/internal';
import type { AdminDeps, RedisDeps } from './admin-deps.ts';
import { pendingPages } from './pending-events.ts';

export interface PendingOptions {
  /** Only this partition. */
  readonly partition?: number | undefined;
  /** Most events looked at for one consumer of one partition. Default 10,000. */
  readonly maxEvents?: number;
}

/** What one consumer holds in one partition. */
export interface PendingConsumer {
  readonly partition: number;
  readonly consumer: string;
  readonly events: number;
  readonly minIdleMs: number;
  readonly maxIdleMs: number;
  readonly maxDeliveries: number;
  /** Whether the consumer gave a sign of life lately; without one its events wait to be claimed. */
  readonly isLive: boolean;
  /** It holds more events than were looked at; idle times and deliveries are those of the oldest ones. */
  readonly isTruncated: boolean;
}

/** Who holds events that are not settled. Changes nothing. @throws LayoutMismatchError, RedisError */
export async function listPending(
  deps: RedisDeps & Pick<AdminDeps, 'wallClockMs'>,
  { partition: only, maxEvents = 10_000 }: PendingOptions = {},
): Promise<PendingConsumer[]> {
  const { redis, keyspace, wallClockMs } = deps;
  await checkLayout(deps);
  const heartbeats = await readHeartbeats(redis, keyspace).catch((error: unknown) => {
    throw RedisError.from(error, 'pending');
  });
  const live = new Set(
    heartbeats
      .filter(({ seenAtMs }) => wallClockMs() - seenAtMs < HEARTBEAT_STALE_MS)
      .map(({ consumer: name }) => name),
  );
  const partitions =
    only === undefined ? Array.from({ length: keyspace.partitions }, (_, partition) => partition) : [only];

  const found: PendingConsumer[] = [];
  for (const partition of partitions) {
    const consumers = await listConsumers(redis, keyspace, partition).catch((error: unknown) => {
      throw RedisError.from(error, 'pending');
    });
    for (const { name, pending } of consumers) {
      if (pending === 0) continue;
      let [seen, minIdleMs, maxIdleMs, maxDeliveries] = [0, Number.POSITIVE_INFINITY, 0, 0];
      for await (const page of pendingPages(deps, partition, { minIdleMs: 0, consumer: name })) {
        for (const { idleMs, deliveries } of page) {
          seen++;
          minIdleMs = Math.min(minIdleMs, idleMs);
          maxIdleMs = Math.max(maxIdleMs, idleMs);
          maxDeliveries = Math.max(maxDeliveries, deliveries);
        }
        if (seen >= maxEvents) break;
      }
      // Settled between the two questions.
      if (seen === 0) continue;
      found.push({
        partition,
        consumer: name,
        events: Math.max(pending, seen),
        minIdleMs,
        maxIdleMs,
        maxDeliveries,
        isLive: live.has(name),
        isTruncated: pending > seen,
      });
    }
  }
  return found;
}
