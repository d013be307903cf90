import type { Keyspace, RedisConnection } from '@cauce/protocol';
import type { SyncReport } from './sync-report.ts';

/** What a sync consumer says of itself in Redis, so that `cauce status` needs no access to its host. */
export interface ConsumerNotice {
  readonly consumer: string;
  readonly startedAtMs: number;
  readonly seenAtMs: number;
  /** `away`, `misconfigured`: PostgreSQL is, and `problem` says how. In the others `problem` says what is left aside. */
  readonly state: 'opening' | 'running' | 'away' | 'misconfigured' | 'stopping';
  readonly problem: string | undefined;
  readonly lastSyncAtMs: number | undefined;
  readonly lastSyncDurationMs: number | undefined;
  readonly lastSync: SyncReport | undefined;
  readonly syncs: number;
  /** Statements that failed, and passes that ended early. */
  readonly failedSyncs: number;
}

/** A notice older than this is of a consumer that is gone. */
export const NOTICE_STALE_MS = 30_000;
const NOTICE_FORGET_MS = 86_400_000;

export async function postNotice(
  redis: RedisConnection,
  keyspace: Keyspace,
  notice: ConsumerNotice,
): Promise<void> {
  await redis.hset(keyspace.consumers(), notice.consumer, JSON.stringify(notice));
}

export async function removeNotice(
  redis: RedisConnection,
  keyspace: Keyspace,
  consumer: string,
): Promise<void> {
  await redis.hdel(keyspace.consumers(), consumer);
}

/** The notices of the last day, newest first; older ones are removed. */
export async function readNotices(redis: RedisConnection, keyspace: Keyspace): Promise<ConsumerNotice[]> {
  const stored = await redis.hgetall(keyspace.consumers());
  const notices = Object.values(stored).map((text) => JSON.parse(text) as ConsumerNotice);
  const isForgotten = ({ seenAtMs }: ConsumerNotice): boolean => seenAtMs < Date.now() - NOTICE_FORGET_MS;
  await Promise.all(
    notices.filter(isForgotten).map(({ consumer }) => removeNotice(redis, keyspace, consumer)),
  );
  return notices.filter((notice) => !isForgotten(notice)).sort((a, b) => b.seenAtMs - a.seenAtMs);
}
