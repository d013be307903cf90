import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { createQueries, type Queries, type QueriesOptions } from '@cauce/postgres';
import {
  assessPrimaries,
  type CauceError,
  createScripts,
  type Epoch,
  InvalidOptionError,
  isCauceError,
  type Keyspace,
  type OpenRedis,
  REDIS_RETRY_MS,
  RedisUnsafeError,
  type Scripts,
  type TableIdentity,
} from '@cauce/protocol';
import type pg from 'pg';
import type { Logger } from 'pino';
import { forgetHeartbeats, removeHeartbeat, sendHeartbeat } from './heartbeats.ts';
import { forgetConsumers } from './maintenance/forget-consumers.ts';
import { repeat } from './maintenance/repeat.ts';
import { schedulePurge } from './maintenance/schedule-purge.ts';
import { sweepDirty } from './maintenance/sweep-dirty.ts';
import { createDatabaseWatch } from './maintenance/watch-database.ts';
import type { SyncMetrics } from './metrics.ts';
import { checkDatabase } from './postgres/check-database.ts';
import { CircuitBreaker } from './postgres/circuit-breaker.ts';
import { ParkLimiter } from './postgres/park-limiter.ts';
import { skipNone } from './redis/ask-partitions.ts';
import { openPartitions, pinLayout } from './redis/open-partitions.ts';
import { findReplayProblem } from './redis/replay-rights.ts';
import { takeForTable } from './redis/take-for-table.ts';
import { Skipped } from './skipped.ts';
import { SyncPass, type SyncPhase } from './sync-pass.ts';
import { addToReport, type SyncReport } from './sync-report.ts';
import { SyncStatus } from './sync-status.ts';

export interface SyncConsumerDeps {
  /** Closed by whoever opened it, after `stop`. */
  readonly redis: OpenRedis;
  /** Ended by whoever made it, after `stop`. */
  readonly pool: pg.Pool;
  readonly keyspace: Keyspace;
  readonly logger: Logger;
  readonly metrics?: SyncMetrics | undefined;
  /** Told at each boundary of a batch's life, and awaited: for tests that stop the world there. */
  readonly onPhase?: ((phase: SyncPhase) => Promise<void>) | undefined;
}

export interface SyncConsumerOptions extends Omit<QueriesOptions, 'longTimeoutMs'> {
  /** How often changed sessions are synced, ms. */
  readonly syncIntervalMs: number;
  /** With this many waiting, the interval is not waited for. */
  readonly earlySessions: number;
  /** Most sessions in one statement, 1 to 500. */
  readonly batchRows: number;
  readonly batchesInFlight: number;
  /** How long a synced session stays in Redis, ms. */
  readonly sessionTtlMs: number;
  readonly claimIdleMs: number;
  readonly sweepAfterMs: number;
  readonly historyDays: number;
  readonly parkLimit: number;
  /** Longest wait for Redis' answer, ms. */
  readonly redisTimeoutMs: number;
  /** This process in the consumer group; a name of its own by default. */
  readonly consumer?: string;
}

const REDIS_CHECK_MS = 30_000;
const HEARTBEAT_MS = 5000;
const DATABASE_CHECK_MS = 10_000;
const FORGET_CONSUMERS_MS = 600_000;
const FORGET_AFTER_MS = 3_600_000;
const LONG_STATEMENT_MS = 600_000;
/** How soon the number of waiting sessions is looked at between two intervals. */
const EARLY_CHECK_MS = 1000;

/**
 * Syncs sessions from Redis to PostgreSQL until it is stopped.
 *
 *   created ──start──► opening ──────────► running ──stop──► stopping ──► stopped
 *                        │  ▲ retries       │
 *                        └──┘               └─ LayoutMismatchError, TableMismatchError, InvalidOptionError:
 *                                              `finished` rejects
 *
 * `opening` waits for both stores and every partition as long as it takes; later a partition that fails is skipped
 * until it works again, and reported. It refuses a Redis that may drop sessions; one that becomes so later is reported,
 * and drained all the same. `stopping` finishes the batches under way (those that wait for PostgreSQL are left pending)
 * and deletes the consumer's name if nothing is pending for it.
 * Only `start`, `stop` and the run itself change the state.
 */
export class SyncConsumer {
  readonly consumer: string;
  readonly circuit: CircuitBreaker;
  readonly pass: SyncPass;
  readonly #deps: SyncConsumerDeps;
  readonly #options: SyncConsumerOptions;
  readonly #scripts: Scripts;
  readonly #queries: Queries;
  readonly #status: SyncStatus;
  readonly #skipped: Skipped;
  readonly #stopping = new AbortController();
  #finished: Promise<void> = Promise.resolve();
  #hasOpened = false;
  readonly #serverEpochs = new Map<number, Epoch>();
  /** The one that is synced to; undefined until PostgreSQL has said it. */
  #table: TableIdentity | undefined;
  #nextSyncAtMs = 0;
  /** Of the last check of Redis: each is logged once as long as it lasts. */
  #warnings: readonly string[] = [];

  constructor(deps: SyncConsumerDeps, options: SyncConsumerOptions) {
    this.#deps = deps;
    this.#options = options;
    const { redis, keyspace, pool, logger, metrics } = deps;
    this.consumer = options.consumer ?? `${hostname()}-${process.pid}-${randomBytes(3).toString('hex')}`;
    const scripts = createScripts({ redis: redis.redis, keyspace }, { timeoutMs: options.redisTimeoutMs });
    this.#scripts = takeForTable({
      scripts,
      table: () => this.#table,
      reopen: () => this.#openPartitions(this.#stopping.signal),
    });
    this.#queries = createQueries(pool, { ...options, longTimeoutMs: LONG_STATEMENT_MS });
    const now = (): number => performance.now();
    const parkLimiter = new ParkLimiter({ now, parkLimit: options.parkLimit });
    this.circuit = new CircuitBreaker({ now }, { onChange: (state) => this.#status.circuitChanged(state) });
    // What waits to be claimed is met again after the idle time.
    this.#skipped = new Skipped({ logger }, { forgetAfterMs: 2 * options.claimIdleMs });
    const { consumer, circuit } = this;
    this.#status = new SyncStatus({ consumer, circuit, parkLimiter, skipped: this.#skipped, logger });
    this.pass = new SyncPass(
      {
        redis: redis.redis,
        keyspace,
        scripts: this.#scripts,
        queries: this.#queries,
        circuit: this.circuit,
        parkLimiter,
        logger,
        onSkipped: this.#skipped.note,
        onMissingGroups: (partitions) => this.#restoreGroups(partitions),
        onFailure: (failure) => {
          this.#status.statementFailed();
          metrics?.failure(failure);
        },
        onStatement: (rows, durationMs) => metrics?.statement(rows, durationMs),
        onPhase: deps.onPhase,
      },
      { ...options, consumer: this.consumer, ttlMs: options.sessionTtlMs },
    );
  }

  /**
   * Resolves after `stop`; rejects when serving on would risk data: RedisUnsafeError, LayoutMismatchError,
   * TableMismatchError, InvalidOptionError (Redis refuses the database).
   */
  get finished(): Promise<void> {
    return this.#finished;
  }

  /** Whether sessions are being synced, or why not. */
  get readiness(): { isReady: boolean; reason?: string } {
    return this.#status.readiness;
  }

  /** Starts syncing; returns at once. Observe `finished`. */
  start(): void {
    if (this.#status.phase !== 'created') return;
    this.#status.phase = 'opening';
    this.#finished = this.#run();
    // Whoever asks for `finished` gets the error; without anybody it must not end the process by itself.
    this.#finished.catch(() => {});
  }

  /** Opens both stores if need be, takes over what is stale and syncs what waits, once. @throws CauceError */
  async syncOnce(signal: AbortSignal = this.#stopping.signal): Promise<SyncReport> {
    if (!this.#hasOpened) await this.#open(signal);
    const report = await this.pass.syncStale(signal);
    addToReport(report, await this.pass.syncNew(signal));
    return report;
  }

  /** Checks Redis now, as it does every 30 s. @throws CauceError */
  check(): Promise<void> {
    return this.#open(this.#stopping.signal);
  }

  /** Announces dirty sessions whose event was lost. @throws RedisError */
  sweep(sweepAfterMs: number = this.#options.sweepAfterMs): Promise<number> {
    const { redis, keyspace } = this.#deps;
    const { note: onSkipped } = this.#skipped;
    const deps = { redis: redis.redis, keyspace, scripts: this.#scripts, onSkipped };
    return sweepDirty(deps, { sweepAfterMs });
  }

  /**
   * Stops reading and finishes the batches under way. Safe to call again; resolves when stopped, or after
   * `deadlineMs` with whatever was not finished left pending.
   */
  async stop({ deadlineMs = 10_000 }: { deadlineMs?: number } = {}): Promise<void> {
    if (this.#status.phase === 'stopped') return;
    this.#status.phase = 'stopping';
    this.#stopping.abort();
    const timer = new AbortController();
    await Promise.race([
      this.#finished.catch(() => {}),
      delay(deadlineMs, undefined, { signal: timer.signal }).catch(() => {}),
    ]);
    timer.abort();
    await this.#leaveGroup();
    this.#status.phase = 'stopped';
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const { claimIdleMs, sweepAfterMs } = this.#options;
    const failed = new AbortController();
    const either = AbortSignal.any([signal, failed.signal]);
    let fatal: Error | undefined;
    const onError = (error: unknown): void => {
      const isRefusedAtStart = error instanceof RedisUnsafeError && !this.#hasOpened;
      if (isRefusedAtStart || isMismatch(error) || error instanceof InvalidOptionError) {
        fatal = error;
        failed.abort();
      } else this.#status.redisFailed(error);
    };
    const every = (everyMs: number, task: (signal: AbortSignal) => Promise<void>): Promise<void> =>
      repeat(task, { everyMs, signal: either, onError });

    // From the start, so that `cauce status` shows why it does not get on.
    const heartbeats = every(HEARTBEAT_MS, () => this.#sendHeartbeat());
    while (!either.aborted && !this.#hasOpened) {
      await this.#open(either).catch(onError);
      if (!this.#hasOpened) await delay(REDIS_RETRY_MS, undefined, { signal: either }).catch(() => {});
    }
    if (!either.aborted && this.#table) {
      this.#status.phase = 'running';
      this.#deps.logger.info({ consumer: this.consumer }, 'syncing sessions');
      const { historyDays, batchRows } = this.#options;
      const { redis } = this.#deps.redis;
      // Bots may wait for a session that Redis brought back older than its row.
      const syncSoon = (): void => {
        this.#nextSyncAtMs = 0;
      };
      for (const event of ['ready', '+node']) redis.on(event, syncSoon);
      const watchDatabase = createDatabaseWatch(
        {
          ...this.#deps,
          redis,
          scripts: this.#scripts,
          queries: this.#queries,
          table: this.#table,
          now: () => performance.now(),
          onResynced: syncSoon,
        },
        { batchRows },
      );
      const endPurge = schedulePurge(
        { queries: this.#queries, logger: this.#deps.logger },
        { historyDays, signal: either },
      );
      await Promise.all([
        this.#syncLoop(either, onError),
        every(claimIdleMs / 3, (until) => this.#counted(() => this.pass.syncStale(until))),
        every(sweepAfterMs / 3, () => this.#sweepAndCount()),
        every(REDIS_CHECK_MS, (until) => this.#open(until)),
        every(DATABASE_CHECK_MS, watchDatabase),
        every(FORGET_CONSUMERS_MS, () => this.#forgetConsumers()),
      ]);
      for (const event of ['ready', '+node']) redis.off(event, syncSoon);
      endPurge();
    }
    await heartbeats;
    if (fatal !== undefined) {
      this.#status.phase = 'stopped';
      throw fatal;
    }
  }

  /** Syncs at each interval, and before it when many sessions wait. */
  async #syncLoop(signal: AbortSignal, onError: (error: unknown) => void): Promise<void> {
    const { syncIntervalMs, earlySessions } = this.#options;
    // Not the host's clock: a step back would stop the syncing for as long.
    this.#nextSyncAtMs = performance.now();
    while (!signal.aborted) {
      let pauseMs = Math.min(syncIntervalMs, EARLY_CHECK_MS);
      try {
        const isDue = performance.now() >= this.#nextSyncAtMs;
        if (isDue || (await this.#countWaiting()) >= earlySessions) {
          this.#nextSyncAtMs = performance.now() + syncIntervalMs;
          await this.#counted(() => this.pass.syncNew(signal));
          await this.#sendHeartbeat();
        }
        pauseMs = Math.max(1, Math.min(pauseMs, this.#nextSyncAtMs - performance.now()));
      } catch (error) {
        if (!signal.aborted) onError(error);
        pauseMs = Math.max(pauseMs, REDIS_RETRY_MS);
      }
      await delay(pauseMs, undefined, { signal }).catch(() => {});
    }
  }

  /** Checks Redis, pins the layout, creates groups, seeds clocks. Also the periodic check. */
  async #open(signal: AbortSignal): Promise<void> {
    const { redis, keyspace, logger } = this.#deps;
    await redis.ready(5000);
    if (this.#hasOpened) await this.#openPartitions(signal);
    const health = await assessPrimaries(redis.redis, { timeoutMs: this.#options.redisTimeoutMs });
    const fault = health.flatMap(({ faults }) => faults).join(' ') || undefined;
    if (fault !== undefined && !this.#hasOpened) throw new RedisUnsafeError(fault);
    // What became evictable must be synced, so it goes on; but it is not well.
    this.#status.redisIsUnsafe(fault);
    const warnings = health.flatMap(({ warnings: ofServer }) => ofServer);
    for (const warning of warnings) if (!this.#warnings.includes(warning)) logger.warn(warning);
    this.#warnings = warnings;
    if (!this.#hasOpened) {
      const deps = { redis: redis.redis, keyspace };
      const problem = await findReplayProblem(deps, health, { timeoutMs: this.#options.redisTimeoutMs });
      if (problem !== undefined) logger.warn(problem);
      await checkDatabase({ queries: this.#queries, circuit: this.circuit, logger }, signal);
      this.#table = await pinLayout({ ...deps, queries: this.#queries, circuit: this.circuit }, signal);
      await this.#openPartitions(signal);
    }
    this.#hasOpened = true;
    this.#status.redisWorked();
  }

  async #openPartitions(signal: AbortSignal): Promise<void> {
    const { redis, keyspace, logger } = this.#deps;
    const deps = { redis: redis.redis, keyspace, scripts: this.#scripts, queries: this.#queries };
    const onSkipped = this.#hasOpened ? this.#skipped.note : skipNone;
    const table = this.#table;
    if (!table) return;
    const opened = await openPartitions({ ...deps, circuit: this.circuit, onSkipped }, { table, signal });
    const { created, renewed, serverEpochs } = opened;
    const known = this.#serverEpochs;
    const changed = [...serverEpochs].filter(([partition, epoch]) => epoch !== known.get(partition)).length;
    if (created > 0 && this.#hasOpened) {
      logger.error(
        { partitions: created },
        'Redis lost data: partitions it knew are gone; they were opened anew',
      );
    } else if (changed > 0 && known.size > 0) {
      logger.warn(
        { partitions: changed },
        'Redis was restarted, promoted or moved; sessions are compared with PostgreSQL before they are trusted again',
      );
    }
    for (const [partition, epoch] of serverEpochs) known.set(partition, epoch);
    if (renewed > 0) {
      logger.error(
        { partitions: renewed },
        'a stream took no more events, because somebody wrote an entry with the last id; it was made anew',
      );
      await this.#sweepAndCount(0);
    }
  }

  async #restoreGroups(partitions: readonly number[]): Promise<void> {
    this.#deps.logger.error(
      { partitions },
      'The consumer group is missing: somebody deleted the stream or the group, or Redis lost its data',
    );
    await this.#openPartitions(this.#stopping.signal);
    // Their events may be gone with the stream; nothing is young enough to be left alone.
    await this.#sweepAndCount(0);
  }

  async #counted(sync: () => Promise<SyncReport>): Promise<void> {
    const report = await sync();
    this.#deps.metrics?.synced(report);
    this.#status.synced(report);
  }

  async #sweepAndCount(sweepAfterMs?: number): Promise<void> {
    const announced = await this.sweep(sweepAfterMs);
    this.#deps.metrics?.announcedAgain(announced);
    if (announced > 0)
      this.#deps.logger.warn({ sessions: announced }, 'announced sessions whose event was lost');
  }

  async #forgetConsumers(): Promise<void> {
    const { redis, keyspace, logger } = this.#deps;
    await forgetConsumers(
      { redis: redis.redis, keyspace, scripts: this.#scripts, onSkipped: this.#skipped.note },
      { idleMs: FORGET_AFTER_MS },
    );
    await forgetHeartbeats(redis.redis, keyspace, Date.now()).catch((err: unknown) => {
      // As long as nobody else does it they are only more to read.
      logger.debug({ err }, 'the heartbeats of consumers that are gone were not removed');
    });
  }

  async #countWaiting(): Promise<number> {
    return (await this.pass.countWaiting()).reduce((sum, length) => sum + length, 0);
  }

  async #sendHeartbeat(): Promise<void> {
    const { redis, keyspace, logger } = this.#deps;
    await sendHeartbeat(redis.redis, keyspace, this.#status.heartbeat).catch((err: unknown) => {
      // Out of memory refuses this write and nothing else here: no reason to stop syncing.
      logger.debug({ err }, 'the heartbeat for `cauce status` was not written');
    });
  }

  async #leaveGroup(): Promise<void> {
    const { redis, keyspace, logger } = this.#deps;
    try {
      await Promise.all(
        Array.from({ length: keyspace.partitions }, (_, partition) =>
          this.#scripts.forgetConsumer(partition, { consumer: this.consumer }),
        ),
      );
      await removeHeartbeat(redis.redis, keyspace, this.consumer);
    } catch (err) {
      logger.debug({ err }, "the consumer's name stays in the group; another consumer removes it later");
    }
  }
}

function isMismatch(error: unknown): error is CauceError {
  return isCauceError(error) && ['LAYOUT_MISMATCH', 'TABLE_MISMATCH'].includes(error.code);
}
