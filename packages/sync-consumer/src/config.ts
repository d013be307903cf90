import type { QueriesOptions } from '@cauce/postgres';
import type { PassSettings, SyncSettings } from './settings.ts';
import type { SyncConsumerOptions } from './sync-consumer.ts';

const REDIS_TIMEOUT_MS = 5000;
const LOCK_TIMEOUT_MS = 2000;
/** Below the pool's own limit, so that the server gives up first and says so. */
const STATEMENT_TIMEOUT_MS = 10_000;
/** Of what reads a whole table. */
const LONG_TIMEOUT_MS = 600_000;

/** Options of a consumer, and so of an operation that an operator starts. */
export function consumerOptions(settings: SyncSettings): SyncConsumerOptions & QueriesOptions {
  return {
    ...passOptions(settings),
    syncIntervalMs: settings.SESSION_SYNC_INTERVAL,
    earlySessions: settings.SYNC_EARLY_SESSIONS,
    sweepAfterMs: settings.SYNC_SWEEP_AFTER,
    historyDays: settings.SESSION_HISTORY_DAYS,
  };
}

export type PassOptions = Omit<
  SyncConsumerOptions,
  'syncIntervalMs' | 'earlySessions' | 'sweepAfterMs' | 'historyDays' | 'consumer'
> &
  QueriesOptions;

/** Options of what an operator starts by hand. */
export function passOptions(settings: PassSettings): PassOptions {
  return {
    schema: settings.SESSION_DB_SCHEMA,
    table: settings.SESSION_DB_TABLE,
    batchRows: settings.SYNC_BATCH_ROWS,
    batchesInFlight: settings.SYNC_BATCHES_IN_FLIGHT,
    sessionTtlMs: settings.SESSION_TTL * 1000,
    claimIdleMs: settings.SYNC_CLAIM_IDLE,
    parkLimit: settings.SYNC_PARK_LIMIT,
    redisTimeoutMs: REDIS_TIMEOUT_MS,
    lockTimeoutMs: LOCK_TIMEOUT_MS,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    longTimeoutMs: LONG_TIMEOUT_MS,
  };
}
