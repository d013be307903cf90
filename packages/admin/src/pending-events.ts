import { countIn, entriesIn, listIn, RedisError, SYNC_GROUP, textIn } from '@cauce/protocol';
import type { PartitionEntries } from '@cauce/sync-consumer/internal';
import type { RedisDeps } from './admin-deps.ts';

/** An event that was handed to a consumer and not settled. */
export interface PendingEvent {
  readonly id: string;
  readonly consumer: string;
  /** Since its last delivery, claim, or sign of life. */
  readonly idleMs: number;
  readonly deliveries: number;
}

export interface PendingFilter {
  /** Only events idle for at least this long, ms. */
  readonly minIdleMs: number;
  /** Only those of this consumer. */
  readonly consumer?: string | undefined;
}

const PAGE_EVENTS = 500;

/** The pending events of a partition, oldest first, in pages; none while there is no group. @throws RedisError */
export async function* pendingPages(
  { redis, keyspace }: RedisDeps,
  partition: number,
  { minIdleMs, consumer }: PendingFilter,
): AsyncGenerator<PendingEvent[]> {
  const changes = keyspace.changes(partition);
  for (let start = '-'; ; ) {
    const reply = await redis
      .call(
        'XPENDING',
        changes,
        SYNC_GROUP,
        'IDLE',
        minIdleMs,
        start,
        '+',
        PAGE_EVENTS,
        ...(consumer === undefined ? [] : [consumer]),
      )
      .catch((error: unknown) => {
        if (error instanceof Error && error.message.startsWith('NOGROUP')) return [];
        throw RedisError.from(error, 'pending');
      });
    const page = listIn('pending', reply).map((item): PendingEvent => {
      const [id, owner, idleMs, deliveries] = listIn('pending', item, 4);
      return {
        id: textIn('pending', id),
        consumer: textIn('pending', owner),
        idleMs: countIn('pending', idleMs),
        deliveries: countIn('pending', deliveries),
      };
    });
    const last = page.at(-1);
    if (!last) return;
    yield page;
    start = `(${last.id}`;
  }
}

export interface ClaimCall {
  readonly consumer: string;
  /** Only if still idle for this long, ms. */
  readonly minIdleMs: number;
  /** Also events nobody has read yet. */
  readonly includesUnread?: boolean;
}

/**
 * Makes the events pending for `consumer`. Returns those that are still in the stream, without those that were settled
 * or taken over meanwhile. @throws RedisError
 */
export async function claimEntries(
  { redis, keyspace }: RedisDeps,
  partition: number,
  ids: readonly string[],
  { consumer, minIdleMs, includesUnread = false }: ClaimCall,
): Promise<PartitionEntries> {
  if (ids.length === 0) return { partition, entries: [] };
  try {
    // By name, because ioredis' types know XCLAIM's options only in one fixed order.
    const reply = await redis.call(
      'XCLAIM',
      keyspace.changes(partition),
      SYNC_GROUP,
      consumer,
      minIdleMs,
      ...ids,
      ...(includesUnread ? ['FORCE'] : []),
    );
    return { partition, entries: entriesIn('claim', reply) };
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('NOGROUP')) return { partition, entries: [] };
    throw RedisError.from(error, 'claim');
  }
}
