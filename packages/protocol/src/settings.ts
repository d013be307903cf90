/** Every setting of the bot and of the sync consumer, once: parsing, types and `docs/configuration.md` follow. */

import { databaseUrlProblem } from './database-url.ts';
import { redisUrlProblem } from './redis-url.ts';

interface SettingBase {
  /** What it does and when one would change it. */
  readonly description: string;
  /** Shown only as `***`. */
  readonly isSecret?: boolean;
  readonly usedBy: readonly ('bot' | 'consumer' | 'cli')[];
}

export interface NumberSetting extends SettingBase {
  readonly kind: 'number';
  readonly default: number;
  readonly min: number;
  readonly max: number;
  readonly unit?: 'ms' | 's' | 'bytes' | 'days' | 'rows' | 'sessions';
  readonly isPowerOfTwo?: boolean;
}

export interface BooleanSetting extends SettingBase {
  readonly kind: 'boolean';
  readonly default: boolean;
}

export interface TextSetting extends SettingBase {
  readonly kind: 'text';
  /** Undefined = it must be given where it is used, unless it is optional. */
  readonly default: string | undefined;
  readonly isOptional?: boolean;
  readonly pattern: RegExp;
  /** What the pattern allows, in words. */
  readonly allowed: string;
  /** What else is wrong with a text the pattern allows, without showing any of it. */
  readonly problem?: (text: string) => string | undefined;
}

export type Setting = NumberSetting | BooleanSetting | TextSetting;

const identifier = {
  pattern: /^[a-z_][a-z0-9_]{0,49}$/,
  allowed: 'a lower-case SQL identifier of at most 50 characters',
};

const pemFile = { pattern: /^.+$/, allowed: 'the path of a file in PEM form' };

export const settings = {
  USE_REDIS_ONLY_SESSIONS: {
    kind: 'boolean',
    default: true,
    usedBy: ['bot'],
    description:
      'Whether the bot keeps its sessions in Redis. Parsed here for the bot, which chooses its store by it.',
  },
  SESSION_SYNC_INTERVAL: {
    kind: 'number',
    default: 60_000,
    min: 10,
    max: 3_600_000,
    unit: 'ms',
    usedBy: ['consumer'],
    description: 'How often changed sessions are synced to PostgreSQL. Shorter: less lag, more statements.',
  },
  SESSION_TTL: {
    kind: 'number',
    default: 3600,
    min: 1,
    max: 31_536_000,
    unit: 's',
    usedBy: ['bot', 'consumer', 'cli'],
    description:
      'How long a session stays in Redis after it was synced or restored. One that PostgreSQL does not have yet never expires.',
  },
  TENANT_CACHE_TTL: {
    kind: 'number',
    default: 3600,
    min: 1,
    max: 31_536_000,
    unit: 's',
    usedBy: ['bot'],
    description: 'How long what was loaded about a tenant is kept.',
  },
  SESSION_METRICS_ENABLED: {
    kind: 'boolean',
    default: true,
    usedBy: ['bot', 'consumer'],
    description: 'Whether metrics are collected, and served at /metrics by the consumer.',
  },
  REDIS_URL: {
    kind: 'text',
    default: undefined,
    isSecret: true,
    pattern: /^rediss?(\+sentinel|\+cluster)?:\/\/\S+$/,
    allowed: 'a redis://, redis+sentinel:// or redis+cluster:// URL',
    problem: redisUrlProblem,
    usedBy: ['bot', 'consumer', 'cli'],
    description:
      'The primary, alone, behind sentinels or of a cluster. Redis 7.0 or later, or Valkey 7.2 or later.',
  },
  REDIS_TLS_CA_FILE: {
    kind: 'text',
    default: undefined,
    isOptional: true,
    ...pemFile,
    usedBy: ['bot', 'consumer', 'cli'],
    description:
      'Certificates of the authorities that vouch for Redis, with a rediss URL. Without it: those Node.js knows.',
  },
  REDIS_TLS_CERT_FILE: {
    kind: 'text',
    default: undefined,
    isOptional: true,
    ...pemFile,
    usedBy: ['bot', 'consumer', 'cli'],
    description: 'Certificate of this client, where Redis asks for one.',
  },
  REDIS_TLS_KEY_FILE: {
    kind: 'text',
    default: undefined,
    isOptional: true,
    ...pemFile,
    usedBy: ['bot', 'consumer', 'cli'],
    description: 'Private key of that certificate, without a passphrase.',
  },
  DATABASE_URL: {
    kind: 'text',
    default: undefined,
    isSecret: true,
    pattern: /^postgres(ql)?:\/\/\S+$/,
    allowed: 'a postgres:// URL',
    problem: databaseUrlProblem,
    usedBy: ['bot', 'consumer', 'cli'],
    description: 'The primary, never a replica. PostgreSQL 14 or later; PgBouncer in transaction mode works.',
  },
  SESSION_PARTITIONS: {
    kind: 'number',
    default: 64,
    min: 1,
    max: 1024,
    isPowerOfTwo: true,
    usedBy: ['bot', 'consumer', 'cli'],
    description:
      'Into how many slots the sessions are spread. Fixed for the life of the data; a mismatch is refused.',
  },
  SESSION_KEY_PREFIX: {
    kind: 'text',
    default: 'sess',
    pattern: /^[A-Za-z0-9._-]{1,64}$/,
    allowed: '1 to 64 of A-Z a-z 0-9 . _ -',
    usedBy: ['bot', 'consumer', 'cli'],
    description: 'Starts every Redis key. Deployments that share a Redis need different ones.',
  },
  SESSION_DB_SCHEMA: {
    kind: 'text',
    default: 'public',
    ...identifier,
    usedBy: ['bot', 'consumer', 'cli'],
    description: 'Schema of the tables in PostgreSQL.',
  },
  SESSION_DB_TABLE: {
    kind: 'text',
    default: 'session',
    ...identifier,
    usedBy: ['bot', 'consumer', 'cli'],
    description:
      'Table of the sessions. Its companions are named after it: session_conflict, session_layout, session_identity.',
  },
  SESSION_HISTORY_DAYS: {
    kind: 'number',
    default: 30,
    min: 1,
    max: 36_500,
    unit: 'days',
    usedBy: ['consumer', 'cli'],
    description: 'A row nobody saved for this long is purged, once a day. Not shorter than SESSION_TTL.',
  },
  SESSION_MAX_STATE_BYTES: {
    kind: 'number',
    default: 262_144,
    min: 2,
    max: 8_388_608,
    unit: 'bytes',
    usedBy: ['bot'],
    description: 'Largest state accepted, as JSON text in UTF-8.',
  },
  SESSION_TENANT_BUDGET_BYTES: {
    kind: 'number',
    default: 0,
    min: 0,
    max: 1_000_000_000_000,
    unit: 'bytes',
    usedBy: ['bot'],
    description:
      'How much state of one tenant may be in Redis that PostgreSQL does not have; saves beyond it are refused. The same for all bots. Divided over the partitions, at least one largest state each. 0: no budget.',
  },
  SYNC_BATCH_ROWS: {
    kind: 'number',
    default: 500,
    min: 1,
    max: 500,
    unit: 'rows',
    usedBy: ['consumer', 'cli'],
    description: 'Most sessions in one statement.',
  },
  SYNC_BATCHES_IN_FLIGHT: {
    kind: 'number',
    default: 4,
    min: 1,
    max: 16,
    usedBy: ['consumer', 'cli'],
    description: 'Batches synced at the same time by one consumer; also its PostgreSQL connections.',
  },
  SYNC_EARLY_SESSIONS: {
    kind: 'number',
    default: 20_000,
    min: 1,
    max: 10_000_000,
    unit: 'sessions',
    usedBy: ['consumer'],
    description: 'With this many changed sessions waiting, the consumer does not wait for the interval.',
  },
  SYNC_CLAIM_IDLE: {
    kind: 'number',
    default: 30_000,
    min: 100,
    max: 3_600_000,
    unit: 'ms',
    usedBy: ['consumer', 'cli'],
    description: "After how long without a sign of life another consumer's events are taken over.",
  },
  SYNC_SWEEP_AFTER: {
    kind: 'number',
    default: 90_000,
    min: 100,
    max: 86_400_000,
    unit: 'ms',
    usedBy: ['consumer'],
    description:
      'A session that has waited this long is checked for a lost event, and announced again if it was.',
  },
  SYNC_PARK_LIMIT: {
    kind: 'number',
    default: 20,
    min: 1,
    max: 1_000_000,
    unit: 'rows',
    usedBy: ['consumer', 'cli'],
    description:
      'More refused rows than this in a minute (or 5 % of the last 1,000, if that is more) are a fault of the table, not of the rows: no more are parked, they wait in Redis.',
  },
  SYNC_HTTP_PORT: {
    kind: 'number',
    default: 9464,
    min: 0,
    max: 65_535,
    usedBy: ['consumer'],
    description:
      'Port of /metrics, /healthz and /readyz. 0 takes a free one, and so does the default if it is taken; the log says which.',
  },
  SYNC_HTTP_HOST: {
    kind: 'text',
    default: '127.0.0.1',
    pattern: /^[0-9A-Za-z.:_-]+$/,
    allowed: 'an address or host name',
    usedBy: ['consumer'],
    description: 'Address the port is bound to. 0.0.0.0 in a container.',
  },
  SYNC_LOG_LEVEL: {
    kind: 'text',
    default: 'info',
    pattern: /^(trace|debug|info|warn|error|fatal|silent)$/,
    allowed: 'trace, debug, info, warn, error, fatal or silent',
    usedBy: ['consumer'],
    description: 'Least severe log line written.',
  },
} as const satisfies Record<string, Setting>;

export type SettingName = keyof typeof settings;

type ValueOf<S extends Setting> = S extends NumberSetting
  ? number
  : S extends BooleanSetting
    ? boolean
    : S extends { readonly default: string }
      ? string
      : string | undefined;

export type Settings = { readonly [Name in SettingName]: ValueOf<(typeof settings)[Name]> };

export interface SettingProblem {
  readonly name: string;
  /** What was received, with secrets masked, and what is allowed. */
  readonly message: string;
}

export type ParsedSettings =
  | { readonly ok: true; readonly values: Settings }
  | { readonly ok: false; readonly problems: readonly SettingProblem[] };

/**
 * Reads every setting from an environment. Reports all problems at once. Pure: it reads no environment of its own.
 *
 * @param required settings without a default that must be there
 */
export function parseSettings(
  env: Readonly<Record<string, string | undefined>>,
  required: readonly SettingName[] = [],
): ParsedSettings {
  const values: Record<string, unknown> = {};
  const problems: SettingProblem[] = [];
  for (const [name, setting] of Object.entries<Setting>(settings)) {
    const text = env[name]?.trim();
    if (text === undefined || text === '') {
      values[name] = setting.default;
      if (setting.default === undefined && required.includes(name as SettingName)) {
        problems.push({ name, message: `is missing; give ${describeAllowed(setting)}` });
      }
      continue;
    }
    const value = parseValue(setting, text);
    if (value === undefined) {
      const received = setting.isSecret ? '***' : JSON.stringify(text);
      problems.push({ name, message: `is ${received}; allowed is ${describeAllowed(setting)}` });
    }
    const problem = value !== undefined && setting.kind === 'text' ? setting.problem?.(text) : undefined;
    if (problem !== undefined) problems.push({ name, message: `is ***: it ${problem}` });
    values[name] = value;
  }
  return problems.length > 0 ? { ok: false, problems } : { ok: true, values: values as Settings };
}

/** What a setting allows, in words, for messages and docs. */
export function describeAllowed(setting: Setting): string {
  switch (setting.kind) {
    case 'boolean':
      return 'true, false, 1 or 0';
    case 'text':
      return setting.allowed;
    case 'number': {
      const what = setting.isPowerOfTwo ? 'a power of two' : 'a whole number';
      return `${what} from ${setting.min} to ${setting.max}${setting.unit ? ` ${setting.unit}` : ''}`;
    }
  }
}

function parseValue(setting: Setting, text: string): string | number | boolean | undefined {
  switch (setting.kind) {
    case 'boolean':
      if (text === 'true' || text === '1') return true;
      return text === 'false' || text === '0' ? false : undefined;
    case 'text':
      return setting.pattern.test(text) ? text : undefined;
    case 'number': {
      const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
      const inBounds = value >= setting.min && value <= setting.max;
      const isShaped = !setting.isPowerOfTwo || (value & (value - 1)) === 0;
      return inBounds && isShaped ? value : undefined;
    }
  }
}
