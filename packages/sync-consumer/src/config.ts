import { parseSettings, type SettingName, type SettingProblem, type Settings } from '@cauce/protocol';
import type { SyncConsumerOptions } from './sync-consumer.ts';

/** Several settings are wrong; every one is named. Exit code 2. */
export class ConfigurationError extends Error {
  readonly problems: readonly SettingProblem[];

  constructor(problems: readonly SettingProblem[]) {
    super(problems.map(({ name, message }) => `${name} ${message}`).join('\n'));
    this.name = 'ConfigurationError';
    this.problems = problems;
  }
}

const DAY_SECONDS = 86_400;

/** @throws ConfigurationError with all problems at once */
export function readSettings(
  env: Readonly<Record<string, string | undefined>>,
  required: readonly SettingName[] = ['REDIS_URL', 'DATABASE_URL'],
): Settings {
  const parsed = parseSettings(env, required);
  if (!parsed.ok) throw new ConfigurationError(parsed.problems);
  const { SESSION_TTL, SESSION_HISTORY_DAYS } = parsed.values;
  // Redis would serve a session whose row was purged, and lose it for good.
  if (SESSION_TTL > SESSION_HISTORY_DAYS * DAY_SECONDS) {
    const message =
      `is ${SESSION_TTL} s, longer than the ${SESSION_HISTORY_DAYS} days of SESSION_HISTORY_DAYS; ` +
      'a session must not outlive its row';
    throw new ConfigurationError([{ name: 'SESSION_TTL', message }]);
  }
  return parsed.values;
}

const REDIS_TIMEOUT_MS = 5000;
const LOCK_TIMEOUT_MS = 2000;
/** Below the pool's own limit, so that the server gives up first and says so. */
const STATEMENT_TIMEOUT_MS = 10_000;

export function consumerOptions(settings: Settings): SyncConsumerOptions {
  return {
    schema: settings.SESSION_DB_SCHEMA,
    table: settings.SESSION_DB_TABLE,
    syncIntervalMs: settings.SESSION_SYNC_INTERVAL,
    earlySessions: settings.SYNC_EARLY_SESSIONS,
    batchRows: settings.SYNC_BATCH_ROWS,
    batchesInFlight: settings.SYNC_BATCHES_IN_FLIGHT,
    sessionTtlMs: settings.SESSION_TTL * 1000,
    claimIdleMs: settings.SYNC_CLAIM_IDLE,
    sweepAfterMs: settings.SYNC_SWEEP_AFTER,
    historyDays: settings.SESSION_HISTORY_DAYS,
    parkLimit: settings.SYNC_PARK_LIMIT,
    redisTimeoutMs: REDIS_TIMEOUT_MS,
    lockTimeoutMs: LOCK_TIMEOUT_MS,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
  };
}
