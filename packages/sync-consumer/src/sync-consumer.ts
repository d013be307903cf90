import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { Queries } from '@cauce/postgres';
import {
  type Clocks,
  createScripts,
  InvalidOptionError,
  isCauceError,
  type Keyspace,
  type OpenRedis,
  REDIS_RETRY_MS,
  RedisUnsafeError,
  type Scripts,
} from '@cauce/protocol';
import type { Logger } from 'pino';
import { removeHeartbeat, sendHeartbeat } from './heartbeats.ts';
import { Lifecycle } from './lifecycle.ts';
import { createJobs, type Job } from './maintenance/jobs.ts';
import { runJobs } from './maintenance/run-jobs.ts';
import { sweepDirty } from './maintenance/sweep-dirty.ts';
import type { SyncMetrics } from './metrics.ts';
import type { CircuitBreaker } from './postgres/circuit-breaker.ts';
import type { Skipped } from './skipped.ts';
import { StoreOpener } from './store-opener.ts';
import { SyncLoop } from './sync-loop.ts';
import type { SyncPass, SyncPhase } from './sync-pass.ts';
import { addToReport, type SyncReport } from './sync-report.ts';
import { SyncStatus } from './sync-status.ts';
import { wirePass } from './wire-pass.ts';

export interface SyncConsumerDeps extends Clocks {
  /** The caller closes it after `stop`. */
  readonly redis: OpenRedis;
  /** Everything that is asked of PostgreSQL. Another implementation is another SQL store. */
  readonly queries: Queries;
  readonly keyspace: Keyspace;
  readonly logger: Logger;
  readonly metrics?: SyncMetrics | undefined;
  /** Called, and awaited, between the stages of a batch: for tests that stop a process there. */
  readonly onPhase?: ((phase: SyncPhase) => Promise<void>) | undefined;
}

export interface SyncConsumerOptions {
  /** How often changed sessions are synced, ms. */
  readonly syncIntervalMs: number;
  /** With this many events in the streams, the interval is not waited for. */
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

/**
 * Syncs sessions from Redis to PostgreSQL until it is stopped; `lifecycle.ts` shows the phases.
 *
 * `opening` waits for both stores and every partition as long as it takes; later a partition that fails is skipped
 * until it works again, and reported. It refuses a Redis that may drop sessions; one that becomes so later is reported,
 * and still drained. `finished` rejects on LayoutMismatchError, TableMismatchError and InvalidOptionError.
 * `stopping` finishes the batches under way (those that wait for PostgreSQL are left pending) and deletes the
 * consumer's name if nothing is pending for it.
 */
export class SyncConsumer {
  readonly consumer: string;
  readonly circuit: CircuitBreaker;
  readonly pass: SyncPass;
  readonly #deps: SyncConsumerDeps;
  readonly #options: SyncConsumerOptions;
  readonly #scripts: Scripts;
  readonly #lifecycle = new Lifecycle();
  readonly #status: SyncStatus;
  readonly #skipped: Skipped;
  readonly #opener: StoreOpener;
  readonly #loop: SyncLoop;
  readonly #jobs: readonly Job[];

  constructor(deps: SyncConsumerDeps, options: SyncConsumerOptions) {
    this.#deps = deps;
    this.#options = options;
    const { redis, keyspace, queries, logger, metrics, now, wallClockMs } = deps;
    const clocks = { now, wallClockMs };
    const lifecycle = this.#lifecycle;
    this.consumer = options.consumer ?? `${hostname()}-${process.pid}-${randomBytes(3).toString('hex')}`;
    const wired = wirePass(
      {
        ...clocks,
        ...{ keyspace, queries, logger },
        redis: redis.redis,
        scripts: createScripts({ redis: redis.redis, keyspace }, { timeoutMs: options.redisTimeoutMs }),
        table: () => this.#opener.table,
        reopen: () => this.#opener.openPartitions(lifecycle.signal),
        onMissingGroups: (partitions) => this.#opener.restoreGroups(partitions, lifecycle.signal),
        onFailure: (failure) => {
          this.#status.statementFailed();
          metrics?.failure(failure);
        },
        onStatement: (rows, durationMs) => metrics?.statement(rows, durationMs),
        onPhase: deps.onPhase,
      },
      {
        ...options,
        consumer: this.consumer,
        circuit: { onChange: (state) => this.#status.circuitChanged(state) },
      },
    );
    const { pass, circuit, parkLimiter, skipped, scripts } = wired;
    this.pass = pass;
    this.circuit = circuit;
    this.#skipped = skipped;
    this.#scripts = scripts;
    const { consumer } = this;
    this.#status = new SyncStatus({
      ...clocks,
      ...{ consumer, lifecycle, circuit, parkLimiter, skipped, logger },
    });
    const shared = { keyspace, scripts, queries, circuit, logger, onSkipped: skipped.note };
    this.#opener = new StoreOpener(
      { ...shared, redis, status: this.#status, sweepAll: () => this.#sweepAndCount(0) },
      options,
    );
    this.#loop = new SyncLoop(
      {
        now,
        countEvents: () => this.#countEvents(),
        sync: async (signal) => {
          await this.#counted(this.pass.syncNew(signal));
          await this.#sendHeartbeat();
        },
        onError: this.#failed,
      },
      options,
    );
    this.#jobs = createJobs(
      {
        ...clocks,
        ...shared,
        redis: redis.redis,
        table: () => this.#opener.table,
        sendHeartbeat: () => this.#sendHeartbeat(),
        openStores: (signal) => this.#opener.open(signal),
        syncStale: (signal) => this.#counted(this.pass.syncStale(signal)),
        sweep: () => this.#sweepAndCount(),
        syncSoon: this.#loop.syncSoon,
      },
      options,
    );
  }

  /**
   * Resolves after `stop`; rejects when serving on would risk data: RedisUnsafeError, LayoutMismatchError,
   * TableMismatchError, InvalidOptionError (Redis refuses the database).
   */
  get finished(): Promise<void> {
    return this.#lifecycle.finished;
  }

  /** Whether sessions are being synced, or why not. */
  get readiness(): { isReady: boolean; reason?: string } {
    return this.#status.readiness;
  }

  /** Starts syncing; returns at once. Observe `finished`. */
  start(): void {
    this.#lifecycle.start(() => this.#run());
  }

  /** Opens both stores if need be, takes over what is stale and syncs what waits, once. @throws CauceError */
  async syncOnce(signal: AbortSignal = this.#lifecycle.signal): Promise<SyncReport> {
    if (!this.#opener.isOpen) await this.#opener.open(signal);
    const report = await this.pass.syncStale(signal);
    addToReport(report, await this.pass.syncNew(signal));
    return report;
  }

  /** Checks Redis now, as it does every 30 s. @throws CauceError */
  check(): Promise<void> {
    return this.#opener.open(this.#lifecycle.signal);
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
   * `deadlineMs` and what was not finished stays pending.
   */
  stop({ deadlineMs = 10_000 }: { deadlineMs?: number } = {}): Promise<void> {
    return this.#lifecycle.stop(deadlineMs, () => this.#leaveGroup());
  }

  async #run(): Promise<void> {
    const { signal } = this.#lifecycle;
    const jobsFrom = (phase: Job['from']): Promise<void> =>
      runJobs(
        this.#jobs.filter(({ from }) => from === phase),
        { signal, onError: this.#failed },
      );
    const early = jobsFrom('opening');
    while (!signal.aborted && !this.#opener.isOpen) {
      await this.#opener.open(signal).catch(this.#failed);
      if (!this.#opener.isOpen) await delay(REDIS_RETRY_MS, undefined, { signal }).catch(() => {});
    }
    if (!signal.aborted) {
      this.#lifecycle.opened();
      this.#deps.logger.info({ consumer: this.consumer }, 'syncing sessions');
      const { redis } = this.#deps.redis;
      // Bots may wait for a session that Redis brought back older than its row.
      for (const event of ['ready', '+node']) redis.on(event, this.#loop.syncSoon);
      await Promise.all([this.#loop.run(signal), jobsFrom('running')]);
      for (const event of ['ready', '+node']) redis.off(event, this.#loop.syncSoon);
    }
    await early;
  }

  readonly #failed = (error: unknown, job?: string): void => {
    const isRefusedAtStart = error instanceof RedisUnsafeError && !this.#opener.isOpen;
    if (isRefusedAtStart || isFatal(error)) this.#lifecycle.fail(error);
    else this.#status.redisFailed(error, job);
  };

  async #counted(sync: Promise<SyncReport>): Promise<void> {
    const report = await sync;
    this.#deps.metrics?.synced(report);
    this.#status.synced(report);
  }

  async #sweepAndCount(sweepAfterMs?: number): Promise<void> {
    const announced = await this.sweep(sweepAfterMs);
    this.#deps.metrics?.announcedAgain(announced);
    if (announced > 0)
      this.#deps.logger.warn({ sessions: announced }, 'announced sessions whose event was lost');
  }

  async #countEvents(): Promise<number> {
    return (await this.pass.countEvents()).reduce((sum, length) => sum + length, 0);
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
      logger.debug({ err }, 'the name of the consumer stays in the group; another consumer removes it later');
    }
  }
}

function isFatal(error: unknown): error is Error {
  if (error instanceof InvalidOptionError) return true;
  return isCauceError(error) && ['LAYOUT_MISMATCH', 'TABLE_MISMATCH'].includes(error.code);
}
