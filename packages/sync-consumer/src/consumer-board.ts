import { type Keyspace, printable, type RedisConnection, understood } from '@cauce/protocol';
import type { SyncReport } from './sync-report.ts';

const states = ['opening', 'running', 'away', 'misconfigured', 'stopping'] as const;

/** What a sync consumer says of itself in Redis, so that `cauce status` needs no access to its host. */
export interface ConsumerNotice {
  readonly consumer: string;
  readonly startedAtMs: number;
  readonly seenAtMs: number;
  /**
   * `away`, `misconfigured`: PostgreSQL is, and `problem` says how. In the others `problem` says what is left aside.
   */
  readonly state: (typeof states)[number];
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

export interface ConsumerBoard {
  /** Of the last day, newest first. */
  readonly notices: readonly ConsumerNotice[];
  /** Entries that no consumer wrote. */
  readonly unreadable: number;
}

/** The notices of the last day, newest first. Writes nothing. @throws what ioredis throws, RedisError */
export async function readNotices(redis: RedisConnection, keyspace: Keyspace): Promise<ConsumerNotice[]> {
  return [...(await readBoard(redis, keyspace, Date.now())).notices];
}

/** Writes nothing. @throws what ioredis throws, RedisError */
export async function readBoard(
  redis: RedisConnection,
  keyspace: Keyspace,
  nowMs: number,
): Promise<ConsumerBoard> {
  const found = Object.values(await readFields(redis, keyspace)).map(decodeNotice);
  const notices = found.flatMap((notice) => (notice && !isForgotten(notice, nowMs) ? [notice] : []));
  return {
    notices: notices.sort((a, b) => b.seenAtMs - a.seenAtMs),
    unreadable: found.filter((notice) => notice === undefined).length,
  };
}

/** Removes the notices of consumers that were killed, after a day. @throws what ioredis throws */
export async function forgetNotices(
  redis: RedisConnection,
  keyspace: Keyspace,
  nowMs: number,
): Promise<void> {
  const stored = await readFields(redis, keyspace);
  for (const [consumer, text] of Object.entries(stored)) {
    const notice = decodeNotice(text);
    if (notice && isForgotten(notice, nowMs)) await removeNotice(redis, keyspace, consumer);
  }
}

async function readFields(redis: RedisConnection, keyspace: Keyspace): Promise<Record<string, string>> {
  const reply: unknown = await redis.hgetall(keyspace.consumers());
  const isRight = isRecord(reply) && Object.values(reply).every((text) => typeof text === 'string');
  return understood('notices', isRight ? (reply as Record<string, string>) : undefined);
}

/** One far ahead comes from a host whose clock was. */
function isForgotten({ seenAtMs }: ConsumerNotice, nowMs: number): boolean {
  return Math.abs(nowMs - seenAtMs) > NOTICE_FORGET_MS;
}

/** Undefined for what is no notice. What a person reads of it holds no control characters. Pure. */
function decodeNotice(text: string): ConsumerNotice | undefined {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isRecord(found)) return undefined;
  const { consumer, startedAtMs, seenAtMs, state, problem, lastSyncAtMs, lastSyncDurationMs } = found;
  const { lastSync, syncs, failedSyncs } = found;
  const isRight =
    typeof consumer === 'string' &&
    states.some((one) => one === state) &&
    [startedAtMs, seenAtMs, syncs, failedSyncs].every(Number.isFinite) &&
    [lastSyncAtMs, lastSyncDurationMs].every((one) => one === undefined || Number.isFinite(one)) &&
    (problem === undefined || typeof problem === 'string') &&
    (lastSync === undefined || (isRecord(lastSync) && Object.values(lastSync).every(Number.isFinite)));
  if (!isRight) return undefined;
  const notice = found as unknown as ConsumerNotice;
  return { ...notice, consumer: printable(consumer), problem: problem && printable(problem as string) };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
