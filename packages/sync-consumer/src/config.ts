import { parseDatabaseUrl } from '@cauce/postgres';
import {
  InvalidOptionError,
  parseSettings,
  readDatabaseUrl,
  readRedisTls,
  readSecretFiles,
  redisTlsFilesOf,
  type SettingName,
  type SettingProblem,
  type Settings,
} from '@cauce/protocol';
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

/**
 * Reads the files that settings name, to see that they can be used.
 *
 * @throws ConfigurationError with all problems at once
 */
export function readSettings(
  env: Readonly<Record<string, string | undefined>>,
  required: readonly SettingName[] = ['REDIS_URL', 'DATABASE_URL'],
): Settings {
  const parsed = parseSettings(env, required);
  const problems = parsed.ok
    ? [...lifetimeProblems(parsed.values), ...fileProblems(parsed.values)]
    : parsed.problems;
  if (!parsed.ok || problems.length > 0) throw new ConfigurationError(problems);
  return parsed.values;
}

/** Redis would serve a session whose row was purged, and lose it for good. */
function lifetimeProblems({ SESSION_TTL, SESSION_HISTORY_DAYS }: Settings): SettingProblem[] {
  if (SESSION_TTL <= SESSION_HISTORY_DAYS * DAY_SECONDS) return [];
  const message =
    `is ${SESSION_TTL} s, longer than the ${SESSION_HISTORY_DAYS} days of SESSION_HISTORY_DAYS; ` +
    'a session must not outlive its row';
  return [{ name: 'SESSION_TTL', message }];
}

/**
 * {@link readSettings}, with secrets that are given by files.
 *
 * @param readFile gives the text of a file
 * @throws ConfigurationError with all problems at once
 */
export async function loadSettings(
  env: Readonly<Record<string, string | undefined>>,
  readFile: (path: string) => Promise<string>,
  required?: readonly SettingName[],
): Promise<Settings> {
  const { env: filled, problems } = await readSecretFiles(env, readFile);
  try {
    const values = readSettings(filled, required);
    if (problems.length === 0) return values;
    throw new ConfigurationError(problems);
  } catch (error) {
    if (!(error instanceof ConfigurationError) || error.problems === problems) throw error;
    // A secret whose file cannot be read is missing as well; that is no second problem.
    const isTold = (name: string): boolean => problems.some((one) => one.name === `${name}_FILE`);
    throw new ConfigurationError([...problems, ...error.problems.filter(({ name }) => !isTold(name))]);
  }
}

/** What only shows when files are read. */
function fileProblems(settings: Settings): readonly SettingProblem[] {
  const { REDIS_URL, DATABASE_URL } = settings;
  const { problems } = readRedisTls(redisTlsFilesOf(settings), {
    isTls: REDIS_URL?.startsWith('rediss') ?? true,
  });
  try {
    if (DATABASE_URL !== undefined) readDatabaseUrl(DATABASE_URL, parseDatabaseUrl);
    return problems;
  } catch (error) {
    if (!(error instanceof InvalidOptionError)) throw error;
    return [...problems, { name: 'DATABASE_URL', message: error.message.replace('The PostgreSQL URL ', '') }];
  }
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
