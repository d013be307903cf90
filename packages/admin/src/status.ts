import { setTimeout as delay } from 'node:timers/promises';
import { PostgresError, type Queries } from '@cauce/postgres';
import { type Clocks, RedisError, type RedisHealth, TableMismatchError } from '@cauce/protocol';
import {
  type Backlog,
  checkLayout,
  findReplayProblem,
  HEARTBEAT_STALE_MS,
  type Heartbeat,
  measureBacklog,
  readBoard,
  refuseOtherTable,
} from '@cauce/sync-consumer/internal';
import type { RedisDeps } from './admin-deps.ts';
import { readServerStats, writesPerSecond } from './server-stats.ts';

export interface StatusDeps extends RedisDeps, Clocks {
  /** Undefined: PostgreSQL is not configured here and not asked. */
  readonly queries: Pick<Queries, 'estimateRows' | 'identifyTable'> | undefined;
}

export interface StatusOptions {
  /** How long writes are counted, ms; 0 = not at all. Default 1,000. */
  readonly sampleMs?: number;
  /** A sync lag above this is a problem, ms; none by default. */
  readonly maxLagMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ConsumerStatus {
  readonly consumer: string;
  /** `gone`: no sign of life for 30 s. */
  readonly state: Heartbeat['state'] | 'gone';
  readonly problem: string | undefined;
  readonly startedAtMs: number;
  readonly seenAtMs: number;
}

/** `unmigrated`: it answers, and the tables are not there. `other_table`: the sessions are synced to another one. */
export type PostgresState = 'up' | 'other_table' | 'away' | 'misconfigured' | 'unmigrated' | 'not_configured';

export interface StatusProblem {
  readonly code:
    | 'NO_CONSUMER'
    | 'CONSUMER_PROBLEM'
    | 'POSTGRES_AWAY'
    | 'POSTGRES_MISCONFIGURED'
    | 'PARKED'
    | 'LAG'
    | 'REDIS_UNSAFE'
    | 'TABLE_MISMATCH';
  readonly message: string;
}

export interface Status {
  readonly atMs: number;
  readonly redis: Pick<
    RedisHealth,
    'version' | 'maxMemoryPolicy' | 'usedMemoryBytes' | 'maxMemoryBytes' | 'isAppendOnly'
  > & {
    /** Saves applied by this server in the sample, of every prefix it holds. */
    readonly writesPerSecond: number | undefined;
    /** Of all scripts, by the server's clock: without the network. */
    readonly scriptMeanMs: number | undefined;
    readonly scriptP99Ms: number | undefined;
  };
  readonly sync: Backlog & {
    readonly lastSyncAtMs: number | undefined;
    readonly lastSyncDurationMs: number | undefined;
    /** Of the consumers that are not gone. */
    readonly failedSyncs: number;
  };
  /** Of the last day, newest sign of life first. */
  readonly consumers: readonly ConsumerStatus[];
  readonly postgres: {
    readonly state: PostgresState;
    readonly problem: string | undefined;
    /** The planner's estimate. */
    readonly rows: number | undefined;
  };
  /** Problems to act on. */
  readonly problems: readonly StatusProblem[];
  /** Worth knowing. */
  readonly warnings: readonly string[];
}

const ASK_TIMEOUT_MS = 2000;

/** Works while PostgreSQL is away. Changes nothing. @throws LayoutMismatchError, RedisError, AbortError */
export async function readStatus(deps: StatusDeps, options: StatusOptions = {}): Promise<Status> {
  const { redis, keyspace, now, wallClockMs } = deps;
  const { sampleMs = 1000, maxLagMs, signal } = options;
  const openPartitions = await checkLayout(deps);
  const before = sampleMs > 0 ? await readServerStats(redis) : undefined;
  const startedAtMs = now();
  const [backlog, board, postgres] = await Promise.all([
    fromRedis(measureBacklog(redis, keyspace)),
    fromRedis(readBoard(redis, keyspace, wallClockMs())),
    readPostgres(deps),
  ]);
  await delay(Math.max(0, sampleMs - (now() - startedAtMs)), undefined, { signal });
  const stats = await readServerStats(redis);
  const elapsedMs = now() - startedAtMs;
  const replayProblem = await findReplayProblem(deps, stats.health, { timeoutMs: ASK_TIMEOUT_MS });

  const { heartbeats, unreadable } = board;
  const consumers = heartbeats.map((heartbeat) => describeConsumer(heartbeat, wallClockMs()));
  const live = heartbeats.filter((_, i) => consumers[i]?.state !== 'gone');
  const lastSync = heartbeats
    .filter(({ lastSyncAtMs }) => lastSyncAtMs !== undefined)
    .sort((a, b) => (b.lastSyncAtMs ?? 0) - (a.lastSyncAtMs ?? 0))[0];
  const sync = {
    ...backlog,
    lastSyncAtMs: lastSync?.lastSyncAtMs,
    lastSyncDurationMs: heartbeats.find(({ lastSyncDurationMs }) => lastSyncDurationMs !== undefined)
      ?.lastSyncDurationMs,
    failedSyncs: live.reduce((sum, { failedSyncs }) => sum + failedSyncs, 0),
  };
  const isUnused = openPartitions === 0 && backlog.dirtySessions === 0;
  return {
    atMs: wallClockMs(),
    redis: {
      ...combine(stats.health),
      writesPerSecond: before && writesPerSecond(before.zaddCalls, stats.zaddCalls, elapsedMs),
      scriptMeanMs: stats.scriptMeanMs,
      scriptP99Ms: stats.scriptP99Ms,
    },
    sync,
    consumers,
    postgres,
    problems: findProblems({ sync, consumers, postgres, health: stats.health, maxLagMs }),
    warnings: [
      ...stats.health.flatMap(({ warnings }) => warnings),
      ...(replayProblem === undefined ? [] : [replayProblem]),
      ...(live.length === 0 && backlog.dirtySessions === 0 ? ['No sync consumer is running.'] : []),
      ...(unreadable > 0
        ? [
            `Of the fields of ${keyspace.consumers()}, ${unreadable} cannot be read: another program wrote them.`,
          ]
        : []),
      ...(isUnused
        ? [`Nothing was written under the key prefix "${keyspace.keyPrefix}" yet: is it the right one?`]
        : []),
    ],
  };
}

function describeConsumer(
  { consumer, state, problem, startedAtMs, seenAtMs }: Heartbeat,
  nowMs: number,
): ConsumerStatus {
  const isGone = nowMs - seenAtMs > HEARTBEAT_STALE_MS;
  return { consumer, state: isGone ? 'gone' : state, problem, startedAtMs, seenAtMs };
}

/** Pure. */
function findProblems({
  sync,
  consumers,
  postgres,
  health,
  maxLagMs,
}: Pick<Status, 'sync' | 'consumers' | 'postgres'> & {
  health: readonly RedisHealth[];
  maxLagMs: number | undefined;
}): StatusProblem[] {
  const problems: StatusProblem[] = [];
  const add = (code: StatusProblem['code'], message: string): void => {
    problems.push({ code, message });
  };
  const live = consumers.filter(({ state }) => state !== 'gone');
  for (const fault of health.flatMap(({ faults }) => faults)) add('REDIS_UNSAFE', fault);
  if (live.length === 0 && sync.dirtySessions > 0) {
    add(
      'NO_CONSUMER',
      `No sync consumer is running, and ${sync.dirtySessions} dirty sessions wait: start one.`,
    );
  }
  for (const { consumer, state, problem } of live) {
    if (problem === undefined) continue;
    const isPostgres = state === 'away' || state === 'misconfigured';
    const what = isPostgres ? 'cannot write to PostgreSQL' : 'skips sessions in Redis';
    add('CONSUMER_PROBLEM', `Consumer ${consumer} ${what}: ${problem}`);
  }
  if (postgres.state === 'away') add('POSTGRES_AWAY', postgres.problem ?? '');
  if (postgres.state === 'misconfigured') add('POSTGRES_MISCONFIGURED', postgres.problem ?? '');
  if (postgres.state === 'other_table') add('TABLE_MISMATCH', postgres.problem ?? '');
  if (postgres.state === 'unmigrated') {
    add('POSTGRES_MISCONFIGURED', 'The tables are missing in PostgreSQL: run `cauce migrate`.');
  }
  if (sync.parkedSessions > 0) {
    add('PARKED', `PostgreSQL refuses ${sync.parkedSessions} sessions: see \`cauce parked list\`.`);
  }
  if (maxLagMs !== undefined && sync.oldestDirtyAgeMs > maxLagMs) {
    add(
      'LAG',
      `The oldest dirty session has waited ${sync.oldestDirtyAgeMs} ms; at most ${maxLagMs} ms are allowed.`,
    );
  }
  return problems;
}

async function readPostgres({ redis, keyspace, queries }: StatusDeps): Promise<Status['postgres']> {
  if (!queries) return { state: 'not_configured', problem: undefined, rows: undefined };
  try {
    const rows = await queries.estimateRows();
    if (rows === 'no_table') return { state: 'unmigrated', problem: undefined, rows: undefined };
    await refuseOtherTable({ redis, keyspace }, await queries.identifyTable());
    return { state: 'up', problem: undefined, rows };
  } catch (error) {
    if (error instanceof RedisError) throw error;
    if (error instanceof TableMismatchError) {
      return { state: 'other_table', problem: error.message, rows: undefined };
    }
    const { failure, message } = PostgresError.from(error);
    const state = failure.class === 'transient' ? 'away' : 'misconfigured';
    return { state, problem: message, rows: undefined };
  }
}

/** Over all primaries: sums of memory; the policy and version of the first, because all should have the same. */
function combine(
  health: readonly RedisHealth[],
): Omit<Status['redis'], 'writesPerSecond' | 'scriptMeanMs' | 'scriptP99Ms'> {
  const [first] = health;
  if (!first) throw new RangeError('no primary');
  const total = (field: 'usedMemoryBytes' | 'maxMemoryBytes'): number =>
    health.reduce((sum, one) => sum + one[field], 0);
  return {
    version: first.version,
    maxMemoryPolicy: first.maxMemoryPolicy,
    usedMemoryBytes: total('usedMemoryBytes'),
    maxMemoryBytes: total('maxMemoryBytes'),
    isAppendOnly: health.every(({ isAppendOnly }) => isAppendOnly),
  };
}

async function fromRedis<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw RedisError.from(error, 'status');
  }
}
