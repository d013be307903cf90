import type { Queries } from '@cauce/postgres';
import {
  assessPrimaries,
  type Epoch,
  type Keyspace,
  type OpenRedis,
  RedisUnsafeError,
  type Scripts,
  type TableIdentity,
} from '@cauce/protocol';
import type { Logger } from 'pino';
import { checkDatabase } from './postgres/check-database.ts';
import type { CircuitBreaker } from './postgres/circuit-breaker.ts';
import { type AskDeps, skipNone } from './redis/ask-partitions.ts';
import { checkLayout } from './redis/check-layout.ts';
import { type OpenedPartitions, openPartitions, pinLayout } from './redis/open-partitions.ts';
import { findReplayProblem } from './redis/replay-rights.ts';
import type { SyncStatus } from './sync-status.ts';

export interface StoreOpenerDeps {
  readonly redis: OpenRedis;
  readonly keyspace: Keyspace;
  readonly scripts: Pick<Scripts, 'openPartition'>;
  readonly queries: Queries;
  readonly circuit: CircuitBreaker;
  readonly logger: Logger;
  readonly status: Pick<SyncStatus, 'redisIsUnsafe' | 'redisWorked'>;
  /** Called with the partitions that are skipped, once the stores are open; until then every one has to answer. */
  readonly onSkipped: AskDeps['onSkipped'];
  /** Announces every dirty session that has no event. */
  readonly sweepAll: () => Promise<void>;
}

export interface StoreOpenerOptions {
  /** Longest wait for Redis' answer, ms. */
  readonly redisTimeoutMs: number;
}

/** How long one attempt waits for the connection. */
const CONNECT_TIMEOUT_MS = 5000;

/**
 * Makes sure of both stores: Redis keeps what it is given, the database is fit, both have our layout and each other's
 * data, and every partition has its group and its floor. The same later, as a check: by then a Redis that may drop
 * sessions is reported, and its sessions are still synced.
 */
export class StoreOpener {
  readonly #deps: StoreOpenerDeps;
  readonly #options: StoreOpenerOptions;
  readonly #serverEpochs = new Map<number, Epoch>();
  #isOpen = false;
  #table: TableIdentity | undefined;
  /** Of the last check of Redis: each is logged once as long as it lasts. */
  #warnings: readonly string[] = [];

  constructor(deps: StoreOpenerDeps, options: StoreOpenerOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** The table that is synced to; undefined until PostgreSQL has answered. */
  get table(): TableIdentity | undefined {
    return this.#table;
  }

  /**
   * @throws RedisUnsafeError when not open yet; LayoutMismatchError, TableMismatchError, InvalidOptionError (Redis
   *   refuses the database), RedisError, AbortError (it waits for PostgreSQL)
   */
  async open(signal: AbortSignal): Promise<void> {
    const { redis, keyspace, queries, circuit, logger, status } = this.#deps;
    const timeout = { timeoutMs: this.#options.redisTimeoutMs };
    await redis.ready(CONNECT_TIMEOUT_MS);
    if (this.#isOpen) await this.openPartitions(signal);
    const health = await assessPrimaries(redis.redis, timeout);
    const fault = health.flatMap(({ faults }) => faults).join(' ') || undefined;
    if (fault !== undefined && !this.#isOpen) throw new RedisUnsafeError(fault);
    // What became evictable must be synced, so it goes on; but it is not well.
    status.redisIsUnsafe(fault);
    this.#warn(health.flatMap(({ warnings }) => warnings));
    if (!this.#isOpen) {
      const deps = { redis: redis.redis, keyspace };
      const problem = await findReplayProblem(deps, health, timeout);
      if (problem !== undefined) logger.warn(problem);
      await checkDatabase({ queries, circuit, logger }, signal);
      // Before anything is written to either: a process that is set to another layout leaves no trace of it.
      await checkLayout(deps);
      this.#table = await pinLayout({ ...deps, queries, circuit }, signal);
      await this.openPartitions(signal);
    }
    this.#isOpen = true;
    status.redisWorked();
  }

  /**
   * Compares the layouts and the tables, creates groups, sets missing floors. Does nothing before `open` knows the table.
   * @throws as `open`
   */
  async openPartitions(signal: AbortSignal): Promise<void> {
    const { redis, onSkipped, ...deps } = this.#deps;
    const table = this.#table;
    if (!table) return;
    const opened = await openPartitions(
      { ...deps, redis: redis.redis, onSkipped: this.#isOpen ? onSkipped : skipNone },
      { table, signal },
    );
    this.#logLosses(opened);
    if (opened.renewed > 0) await deps.sweepAll();
  }

  /** Opens partitions whose consumer group is gone. @throws as `open` */
  async restoreGroups(partitions: readonly number[], signal: AbortSignal): Promise<void> {
    this.#deps.logger.error(
      { partitions },
      'The consumer group is missing: the stream or the group was deleted, or Redis lost its data',
    );
    await this.openPartitions(signal);
    // Their events may be gone with the stream; nothing is young enough to be left alone.
    await this.#deps.sweepAll();
  }

  #warn(warnings: readonly string[]): void {
    for (const warning of warnings) if (!this.#warnings.includes(warning)) this.#deps.logger.warn(warning);
    this.#warnings = warnings;
  }

  #logLosses({ created, renewed, serverEpochs }: OpenedPartitions): void {
    const { logger } = this.#deps;
    const known = this.#serverEpochs;
    const changed = [...serverEpochs].filter(([partition, epoch]) => epoch !== known.get(partition)).length;
    if (created > 0 && this.#isOpen) {
      logger.error({ partitions: created }, 'Redis lost data: partitions are gone; they were opened again');
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
        'a stream took no more events, because another program wrote an entry with the last id; it was created again',
      );
    }
  }
}
