import { setTimeout as delay } from 'node:timers/promises';
import { createPool, createQueries, plainTextHosts, withoutRows } from '@cauce/postgres';
import {
  type Clocks,
  createKeyspace,
  hostClocks,
  type OpenRedis,
  openRedis,
  plainTextWarning,
  type RedisSource,
} from '@cauce/protocol';
import { redisTlsFilesOf } from '@cauce/settings';
import type pg from 'pg';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { consumerOptions } from './config.ts';
import { silentLogger } from './logger.ts';
import { measureRedis } from './measure-redis.ts';
import { createSyncMetrics } from './metrics.ts';
import { completeSettings, type SyncSettings } from './settings.ts';
import { SyncConsumer } from './sync-consumer.ts';
import type { SyncPhase } from './sync-pass.ts';
import type { SyncReport } from './sync-report.ts';

/** How long a scrape may wait for Redis. Prometheus itself waits for 10 s. */
const SCRAPE_TIMEOUT_MS = 1500;
/** How long the pool may take to close. */
const CLOSE_POOL_MS = 500;

export interface PeriodicSyncOptions {
  /** A URL, ioredis options, or a connection you own (it is not closed). */
  readonly redis: RedisSource;
  /** A URL, or a pool you own (it is not ended). */
  readonly database: string | pg.Pool;
  /** Settings of `cauce-sync`, typed, that differ from their defaults; the same bounds hold. */
  readonly settings?: Partial<SyncSettings>;
  /** Silent by default. */
  readonly logger?: Logger;
  /** Where metrics are registered; none by default. */
  readonly registry?: Registry | undefined;
  /** The host's by default. */
  readonly clocks?: Clocks | undefined;
  readonly onPhase?: ((phase: SyncPhase) => Promise<void>) | undefined;
}

export interface PeriodicSync {
  readonly consumer: SyncConsumer;
  /**
   * Resolves after `stop`; rejects when serving on would risk data: RedisUnsafeError, LayoutMismatchError,
   * TableMismatchError.
   */
  readonly finished: Promise<void>;
  /** Finishes the batches under way, at most `deadlineMs` (default 10,000), then closes what it opened. */
  stop(options?: { deadlineMs?: number }): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Syncs sessions every `SESSION_SYNC_INTERVAL` ms inside this process. Returns at once; both stores may come
 * later. As many processes as you like may do so at the same time: they share one consumer group.
 *
 * @throws ConfigurationError for settings out of bounds
 * @throws InvalidOptionError for a URL, ioredis options or a connection that cannot be used
 */
export function startPeriodicSync(options: PeriodicSyncOptions): PeriodicSync {
  const { consumer, close } = assemble(options);
  consumer.start();
  let stopped: Promise<void> | undefined;
  const stop = (stopOptions?: { deadlineMs?: number }): Promise<void> => {
    stopped ??= consumer.stop(stopOptions).then(close);
    return stopped;
  };
  return {
    consumer,
    get finished() {
      return consumer.finished;
    },
    stop,
    [Symbol.asyncDispose]: () => stop(),
  };
}

/**
 * Syncs what waits now, once, and returns the report. Waits while PostgreSQL is away, until the signal
 * is aborted. @throws CauceError, AbortError; what was not synced stays announced
 */
export async function syncToDB(
  options: PeriodicSyncOptions & { readonly signal?: AbortSignal },
): Promise<SyncReport> {
  const { consumer, close } = assemble(options);
  try {
    return await consumer.syncOnce(options.signal);
  } catch (error) {
    throw withoutRows(error);
  } finally {
    await consumer.stop();
    await close();
  }
}

function assemble(options: PeriodicSyncOptions): { consumer: SyncConsumer; close: () => Promise<void> } {
  const { logger = silentLogger(), registry, clocks = hostClocks } = options;
  const settings = completeSettings(options.settings ?? {});
  const keyspace = createKeyspace({
    keyPrefix: settings.SESSION_KEY_PREFIX,
    partitions: settings.SESSION_PARTITIONS,
  });
  const syncOptions = consumerOptions(settings);
  const redis = openRedis(options.redis, {
    connectionName: 'cauce-sync',
    answerTimeoutMs: 2 * syncOptions.redisTimeoutMs,
    tlsFiles: redisTlsFilesOf(settings),
    onError: (err) => logger.debug({ err }, 'the Redis connection failed'),
  });
  const ownPool =
    typeof options.database === 'string'
      ? createPool({
          databaseUrl: options.database,
          maxConnections: settings.SYNC_BATCHES_IN_FLIGHT + 1,
          connectTimeoutMs: 5000,
          queryTimeoutMs: 15_000,
          onError: (err) => logger.debug({ err }, 'an idle PostgreSQL connection failed'),
        })
      : undefined;
  const pool = ownPool ?? (options.database as pg.Pool);
  for (const [store, hosts] of [
    ['Redis', redis.plainTextHosts],
    ['PostgreSQL', typeof options.database === 'string' ? plainTextHosts(options.database) : []],
  ] as const) {
    const warning = plainTextWarning(store, hosts);
    if (warning !== undefined) logger.warn({ hosts }, warning);
  }
  const metrics = registry
    ? createSyncMetrics({
        ...clocks,
        registry,
        measureRedis: () => measureRedis({ redis, keyspace }, { timeoutMs: SCRAPE_TIMEOUT_MS }),
      })
    : undefined;
  const queries = createQueries(pool, syncOptions);
  const consumer = new SyncConsumer(
    { ...clocks, redis, queries, keyspace, logger, metrics, onPhase: options.onPhase },
    syncOptions,
  );
  return { consumer, close: () => closeAll(redis, ownPool) };
}

async function closeAll(redis: OpenRedis, pool: pg.Pool | undefined): Promise<void> {
  await redis.close();
  // A silent server would hold it up until its statements time out; they are given up with the process.
  const ended = pool?.end();
  await Promise.race([ended, delay(CLOSE_POOL_MS, undefined, { ref: false })]);
}
