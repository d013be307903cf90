import {
  type Clocks,
  hostClocks,
  type Keyspace,
  printable,
  type RedisConnection,
  understood,
} from '@cauce/protocol';
import type { SyncReport } from './sync-report.ts';

const states = ['opening', 'running', 'away', 'misconfigured', 'stopping'] as const;

/** What a sync consumer says of itself in Redis, so that `cauce status` needs no access to its host. */
export interface Heartbeat {
  readonly consumer: string;
  readonly startedAtMs: number;
  readonly seenAtMs: number;
  /**
   * `away`, `misconfigured`: PostgreSQL is, and `problem` says how. In the others `problem` says what is skipped.
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

/** A heartbeat older than this is of a consumer that is gone. */
export const HEARTBEAT_STALE_MS = 30_000;
const HEARTBEAT_FORGET_MS = 86_400_000;

export async function sendHeartbeat(
  redis: RedisConnection,
  keyspace: Keyspace,
  heartbeat: Heartbeat,
): Promise<void> {
  await redis.hset(keyspace.consumers(), heartbeat.consumer, JSON.stringify(heartbeat));
}

export async function removeHeartbeat(
  redis: RedisConnection,
  keyspace: Keyspace,
  consumer: string,
): Promise<void> {
  await redis.hdel(keyspace.consumers(), consumer);
}

export interface ConsumerBoard {
  /** Of the last day, newest first. */
  readonly heartbeats: readonly Heartbeat[];
  /** Entries that no consumer wrote. */
  readonly unreadable: number;
}

/** The heartbeats of the last day, newest first. Writes nothing. @throws what ioredis throws, RedisError */
export async function readHeartbeats(
  redis: RedisConnection,
  keyspace: Keyspace,
  { wallClockMs }: Pick<Clocks, 'wallClockMs'> = hostClocks,
): Promise<Heartbeat[]> {
  return [...(await readBoard(redis, keyspace, wallClockMs())).heartbeats];
}

/** Writes nothing. @throws what ioredis throws, RedisError */
export async function readBoard(
  redis: RedisConnection,
  keyspace: Keyspace,
  nowMs: number,
): Promise<ConsumerBoard> {
  const found = Object.values(await readFields(redis, keyspace)).map(decodeHeartbeat);
  const heartbeats = found.flatMap((heartbeat) =>
    heartbeat && !isForgotten(heartbeat, nowMs) ? [heartbeat] : [],
  );
  return {
    heartbeats: heartbeats.sort((a, b) => b.seenAtMs - a.seenAtMs),
    unreadable: found.filter((heartbeat) => heartbeat === undefined).length,
  };
}

/** Removes the heartbeats of consumers that were killed, after a day. @throws what ioredis throws */
export async function forgetHeartbeats(
  redis: RedisConnection,
  keyspace: Keyspace,
  nowMs: number,
): Promise<void> {
  const stored = await readFields(redis, keyspace);
  for (const [consumer, text] of Object.entries(stored)) {
    const heartbeat = decodeHeartbeat(text);
    if (heartbeat && isForgotten(heartbeat, nowMs)) await removeHeartbeat(redis, keyspace, consumer);
  }
}

async function readFields(redis: RedisConnection, keyspace: Keyspace): Promise<Record<string, string>> {
  const reply: unknown = await redis.hgetall(keyspace.consumers());
  const isRight = isRecord(reply) && Object.values(reply).every((text) => typeof text === 'string');
  return understood('heartbeats', isRight ? (reply as Record<string, string>) : undefined);
}

/** A time far ahead comes from a host whose clock was ahead. */
function isForgotten({ seenAtMs }: Heartbeat, nowMs: number): boolean {
  return Math.abs(nowMs - seenAtMs) > HEARTBEAT_FORGET_MS;
}

/** Undefined if it is not a heartbeat. Its texts have no control characters. Pure. */
function decodeHeartbeat(text: string): Heartbeat | undefined {
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
  const heartbeat = found as unknown as Heartbeat;
  return { ...heartbeat, consumer: printable(consumer), problem: problem && printable(problem as string) };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
