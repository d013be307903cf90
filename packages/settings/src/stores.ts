import {
  DEFAULT_KEY_PREFIX,
  DEFAULT_PARTITIONS,
  type RedisTlsFiles,
  readRedisTls,
  redisUrlProblem,
} from '@cauce/protocol';
import { databaseFileProblem, databaseUrlProblem } from './database-url.ts';
import type { SettingProblem, SettingsTable, ValuesOf } from './setting.ts';

/** What the schema and the table may be named. */
export const plainIdentifier = {
  pattern: /^[a-z_][a-z0-9_]{0,49}$/,
  allowed: 'a lower-case SQL identifier of at most 50 characters',
} as const;

const pemFile = { pattern: /^.+$/, allowed: 'the path of a file in PEM form' };

/** Where Redis is. */
const redisSettings = {
  REDIS_URL: {
    kind: 'text',
    default: undefined,
    isSecret: true,
    pattern: /^rediss?(\+sentinel|\+cluster)?:\/\/\S+$/,
    allowed: 'a redis://, redis+sentinel:// or redis+cluster:// URL',
    problem: (url: string) => redisUrlProblem(url),
    description:
      'The primary: a single server, behind sentinels, or of a cluster. Redis 7.0 or later, or Valkey 7.2 or later.',
  },
  REDIS_TLS_CA_FILE: {
    kind: 'text',
    default: undefined,
    isOptional: true,
    ...pemFile,
    description:
      'Certificates of the authorities of Redis, for a rediss URL. Without it: the authorities that Node.js knows.',
  },
  REDIS_TLS_CERT_FILE: {
    kind: 'text',
    default: undefined,
    isOptional: true,
    ...pemFile,
    description: 'Certificate of this client, if Redis asks for one.',
  },
  REDIS_TLS_KEY_FILE: {
    kind: 'text',
    default: undefined,
    isOptional: true,
    ...pemFile,
    description: 'Private key of that certificate, without a passphrase.',
  },
} as const satisfies SettingsTable;

/** How the sessions lie in Redis. */
const keyspaceSettings = {
  SESSION_PARTITIONS: {
    kind: 'number',
    default: DEFAULT_PARTITIONS,
    min: 1,
    max: 1024,
    isPowerOfTwo: true,
    description:
      'Number of partitions of the sessions. It never changes for existing data; another number is refused.',
  },
  SESSION_KEY_PREFIX: {
    kind: 'text',
    default: DEFAULT_KEY_PREFIX,
    pattern: /^[A-Za-z0-9._-]{1,64}$/,
    allowed: '1 to 64 of A-Z a-z 0-9 . _ -',
    description: 'Start of every Redis key. Deployments that share a Redis need different prefixes.',
  },
  SESSION_TTL: {
    kind: 'number',
    default: 3600,
    min: 1,
    max: 31_536_000,
    unit: 's',
    description:
      'How long a session stays in Redis after it was synced or restored. A dirty session never expires.',
  },
} as const satisfies SettingsTable;

/** Which table of PostgreSQL the sessions are synced to. */
const databaseSettings = {
  DATABASE_URL: {
    kind: 'text',
    default: undefined,
    isSecret: true,
    pattern: /^postgres(ql)?:\/\/\S+$/,
    allowed: 'a postgres:// URL',
    problem: (url: string) => databaseUrlProblem(url),
    description: 'The primary, never a replica. PostgreSQL 14 or later; PgBouncer in transaction mode works.',
  },
  SESSION_DB_SCHEMA: {
    kind: 'text',
    default: 'public',
    ...plainIdentifier,
    description: 'Schema of the tables in PostgreSQL.',
  },
  SESSION_DB_TABLE: {
    kind: 'text',
    default: 'session',
    ...plainIdentifier,
    description:
      'Table of the sessions. The other tables get its name as prefix: session_conflict, session_layout, session_identity.',
  },
} as const satisfies SettingsTable;

/** Whether it is measured what happens. */
export const metricsSettings = {
  SESSION_METRICS_ENABLED: {
    kind: 'boolean',
    default: true,
    description: 'Whether metrics are collected, and served at /metrics by the consumer.',
  },
} as const satisfies SettingsTable;

/** What every program of a deployment reads, with the same values. */
export const storeSettings = { ...redisSettings, ...keyspaceSettings, ...databaseSettings } as const;

type RedisValues = Partial<ValuesOf<typeof redisSettings>>;

/** The files of TLS that the settings name. Pure. */
export function redisTlsFilesOf(values: RedisValues): RedisTlsFiles {
  return {
    caFile: values.REDIS_TLS_CA_FILE,
    certFile: values.REDIS_TLS_CERT_FILE,
    keyFile: values.REDIS_TLS_KEY_FILE,
  };
}

/**
 * What is wrong with the files that the settings of the stores name. Reads them.
 *
 * @param readUrl node-postgres' own reading of a URL, and of the files it names
 */
export function storeFileProblems(
  values: RedisValues & { readonly DATABASE_URL?: string | undefined },
  readUrl: (url: string) => unknown,
): readonly SettingProblem[] {
  const { REDIS_URL, DATABASE_URL } = values;
  const isTls = REDIS_URL?.startsWith('rediss') ?? true;
  const { problems } = readRedisTls(redisTlsFilesOf(values), { isTls });
  const problem = DATABASE_URL === undefined ? undefined : databaseFileProblem(DATABASE_URL, readUrl);
  return problem === undefined
    ? problems
    : [...problems, { name: 'DATABASE_URL', message: `is ***: it ${problem}` }];
}
