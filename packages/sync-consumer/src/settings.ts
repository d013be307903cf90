import { parseDatabaseUrl } from '@cauce/postgres';
import {
  completeSettings as complete,
  type Environment,
  loadSettings as load,
  metricsSettings,
  type ProgramSettings,
  readSettings as read,
  type SettingProblem,
  type SettingsTable,
  storeFileProblems,
  storeSettings,
  type ValuesOf,
} from '@cauce/settings';

/** How sessions are synced, by the consumer and by what an operator starts by hand. */
export const passSettings = {
  SESSION_HISTORY_DAYS: {
    kind: 'number',
    default: 30,
    min: 1,
    max: 36_500,
    unit: 'days',
    description:
      'Once a day, rows that nobody saved for this long are deleted. Not shorter than SESSION_TTL.',
  },
  SYNC_BATCH_ROWS: {
    kind: 'number',
    default: 500,
    min: 1,
    max: 500,
    unit: 'rows',
    description: 'Most sessions in one statement.',
  },
  SYNC_BATCHES_IN_FLIGHT: {
    kind: 'number',
    default: 4,
    min: 1,
    max: 16,
    description:
      'How many batches one consumer syncs at the same time; also the number of its PostgreSQL connections.',
  },
  SYNC_CLAIM_IDLE: {
    kind: 'number',
    default: 30_000,
    min: 100,
    max: 3_600_000,
    unit: 'ms',
    description: 'After this time without a sign of life of a consumer, another one takes over its events.',
  },
  SYNC_PARK_LIMIT: {
    kind: 'number',
    default: 20,
    min: 1,
    max: 1_000_000,
    unit: 'rows',
    description:
      'Most rows that are parked in a minute (or 5 % of the last 1,000, if that is more). More refused rows are a fault of the table: they are not parked and wait in Redis.',
  },
} as const satisfies SettingsTable;

/** Everything that `cauce-sync` reads. */
export const syncSettings = {
  ...storeSettings,
  ...metricsSettings,
  ...passSettings,
  SESSION_SYNC_INTERVAL: {
    kind: 'number',
    default: 60_000,
    min: 10,
    max: 3_600_000,
    unit: 'ms',
    description: 'How often changed sessions are synced to PostgreSQL. Shorter: less lag, more statements.',
  },
  SYNC_EARLY_SESSIONS: {
    kind: 'number',
    default: 20_000,
    min: 1,
    max: 10_000_000,
    unit: 'sessions',
    description: 'With this many changed sessions waiting, the consumer does not wait for the interval.',
  },
  SYNC_SWEEP_AFTER: {
    kind: 'number',
    default: 90_000,
    min: 100,
    max: 86_400_000,
    unit: 'ms',
    description:
      'If a session is dirty for this long, the sweep checks whether its event was lost, and announces it again.',
  },
  SYNC_HTTP_PORT: {
    kind: 'number',
    default: 9464,
    min: 0,
    max: 65_535,
    description:
      'Port of /metrics, /healthz and /readyz. 0: a free port. If the default is taken: also a free port; the log says which.',
  },
  SYNC_HTTP_HOST: {
    kind: 'text',
    default: '127.0.0.1',
    pattern: /^[0-9A-Za-z.:_-]+$/,
    allowed: 'an address or host name',
    description: 'Address on which it listens. 0.0.0.0 in a container.',
  },
  SYNC_LOG_LEVEL: {
    kind: 'text',
    default: 'info',
    pattern: /^(trace|debug|info|warn|error|fatal|silent)$/,
    allowed: 'trace, debug, info, warn, error, fatal or silent',
    description: 'Lowest level of the log lines that are written.',
  },
} as const satisfies SettingsTable;

export type PassSettings = ValuesOf<typeof storeSettings & typeof passSettings>;
export type SyncSettings = ValuesOf<typeof syncSettings>;

const DAY_SECONDS = 86_400;

/** What no setting says alone: lifetimes that contradict each other, and files that cannot be used. Reads the files. */
export function passSettingProblems(values: PassSettings): readonly SettingProblem[] {
  return [...lifetimeProblems(values), ...storeFileProblems(values, parseDatabaseUrl)];
}

/** Redis would serve a session whose row was purged, and lose it forever. */
function lifetimeProblems({ SESSION_TTL, SESSION_HISTORY_DAYS }: PassSettings): SettingProblem[] {
  if (SESSION_TTL <= SESSION_HISTORY_DAYS * DAY_SECONDS) return [];
  const message =
    `is ${SESSION_TTL} s, longer than the ${SESSION_HISTORY_DAYS} days of SESSION_HISTORY_DAYS; ` +
    'a session must not outlive its row';
  return [{ name: 'SESSION_TTL', message }];
}

const program: ProgramSettings<typeof syncSettings> = {
  table: syncSettings,
  problemsOf: passSettingProblems,
};

type Url = 'REDIS_URL' | 'DATABASE_URL';
const urls: readonly Url[] = ['REDIS_URL', 'DATABASE_URL'];

/** With both stores named. */
export type SyncProgramSettings = ValuesOf<typeof syncSettings, Url>;

/**
 * The settings of `cauce-sync` from an environment. Reads the files that they name, to see that they can be used.
 *
 * @throws ConfigurationError with all problems at once
 */
export function readSettings(env: Environment): SyncProgramSettings {
  return read(program, env, urls);
}

/**
 * The settings of `cauce-sync` from those that differ from their defaults.
 *
 * @throws ConfigurationError with all problems at once
 */
export function completeSettings(given: Partial<SyncSettings>): SyncSettings {
  return complete(program, given);
}

/**
 * {@link readSettings}, with secrets that are given by files.
 *
 * @param readFile gives the text of a file
 * @throws ConfigurationError with all problems at once
 */
export function loadSettings(
  env: Environment,
  readFile: (path: string) => Promise<string>,
): Promise<SyncProgramSettings> {
  return load(program, env, readFile, urls);
}
