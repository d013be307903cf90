import { InvalidOptionError, type RedisSource, type RedisTlsFiles, type SaveLimits } from '@cauce/protocol';
import { describeAllowed, isAllowed, redisTlsFilesOf, type SettingsTable } from '@cauce/settings';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { OperationEvent } from './calls.ts';
import { type Durability, durabilities } from './save-receipt.ts';
import type { SessionLoader } from './session-loader.ts';
import { clientSettings, type Settings } from './settings.ts';

export interface SessionClientOptions<T> {
  /**
   * Where the sessions are: a URL (`redis://`, `redis+sentinel://`, `redis+cluster://`), ioredis options that say how
   * the server is reached, or a Redis or Cluster connection of ioredis you own, which is never closed here. An owned
   * one needs `maxRetriesPerRequest: 0` and `enableOfflineQueue: false`, and is refused otherwise: by default ioredis
   * sends commands again after a reconnect, so a save that was reported unknown could overwrite a newer one.
   */
  readonly redis: RedisSource;
  /** CA and client certificate for a `rediss` URL. Default: the authorities Node.js knows, and no certificate. */
  readonly redisTls?: RedisTlsFiles | undefined;
  /** Starts every key. 1 to 64 of `A-Z a-z 0-9 . _ -`. Default `sess`. The sync consumer needs the same. */
  readonly keyPrefix?: string | undefined;
  /** A power of two, 1 to 1024, fixed for the life of the data. Default 64. The sync consumer needs the same. */
  readonly partitions?: number | undefined;
  /**
   * How long a session restored by the loader stays in Redis, ±10 %, seconds. Default 3600; 1 to 31,536,000.
   * A saved session gets its TTL from the sync consumer, once PostgreSQL has it.
   */
  readonly sessionTtlSeconds?: number | undefined;
  /** How long what was loaded about a tenant is kept, seconds. Default 3600; 1 to 31,536,000. */
  readonly tenantCacheTtlSeconds?: number | undefined;
  /** Largest state, and largest tenant info, as JSON in UTF-8, bytes. Default 262,144; 2 to 8,388,608. */
  readonly maxStateBytes?: number | undefined;
  /**
   * How much state of one tenant may be in Redis that PostgreSQL does not have, bytes; a save beyond it ends with
   * TenantBudgetError, unless it makes its session no larger. Divided over the partitions, at least `maxStateBytes`
   * each. All bots need the same. Default 0: no budget, and nothing is counted; up to 1e12.
   */
  readonly tenantBudgetBytes?: number | undefined;
  /** A Redis command without an answer for this long is given up, ms. Default 2000; 10 to 60,000. */
  readonly commandTimeoutMs?: number | undefined;
  /**
   * How long the first call waits for the connection, ms. Default 5000; 10 to 60,000. Later calls do not wait
   * for a lost connection: they fail at once.
   */
  readonly connectTimeoutMs?: number | undefined;
  /**
   * How long a restore or a tenant's load may take and still be cached, ms. Default 10,000; 100 to 600,000.
   * Longer than the loader's own timeout.
   */
  readonly leaseTtlMs?: number | undefined;
  /**
   * How far a save has come when it is acknowledged, unless the save says otherwise. Default `memory`. `postgres`
   * needs a loader that can write.
   */
  readonly durability?: Durability | undefined;
  /** Asked for a session that is not in Redis. Default: none, such a session does not exist. Closed by you. */
  readonly loader?: SessionLoader | undefined;
  /**
   * Any Standard Schema (zod, valibot, arktype, …). Its output is what is saved, and stored states pass through
   * it again when they are read. Default: states are stored as they are.
   */
  readonly schema?: StandardSchemaV1<unknown, T> | undefined;
  /** Called after every call, for metrics. What it throws is ignored. */
  readonly observe?: ((event: OperationEvent) => void) | undefined;
  /** Called with errors of a connection that the client opened; it reconnects by itself. Default: nothing is called. */
  readonly onRedisError?: ((error: Error) => void) | undefined;
}

const timeLimit = { kind: 'number', max: 60_000, min: 10, unit: 'ms' } as const;

const numberOptions = {
  partitions: clientSettings.SESSION_PARTITIONS,
  sessionTtlSeconds: clientSettings.SESSION_TTL,
  tenantCacheTtlSeconds: clientSettings.TENANT_CACHE_TTL,
  maxStateBytes: clientSettings.SESSION_MAX_STATE_BYTES,
  tenantBudgetBytes: clientSettings.SESSION_TENANT_BUDGET_BYTES,
  commandTimeoutMs: { ...timeLimit, default: 2000, description: 'Longest wait for an answer of Redis.' },
  connectTimeoutMs: { ...timeLimit, default: 5000, description: 'Longest wait for the first connection.' },
  leaseTtlMs: {
    ...timeLimit,
    min: 100,
    max: 600_000,
    default: 10_000,
    description: 'Longest restore that is cached.',
  },
} as const satisfies SettingsTable;

type NumberOption = keyof typeof numberOptions;

/** Every option with its default filled in. */
export type ResolvedOptions<T> = Readonly<Record<NumberOption, number>> &
  Pick<SessionClientOptions<T>, 'redis' | 'redisTls' | 'loader' | 'schema' | 'observe' | 'onRedisError'> & {
    readonly keyPrefix: string;
    readonly durability: Durability;
  };

/** @throws InvalidOptionError that lists every problem */
export function resolveOptions<T>(options: SessionClientOptions<T>): ResolvedOptions<T> {
  const problems: string[] = [];
  const numbers = {} as Record<NumberOption, number>;
  for (const name of Object.keys(numberOptions) as NumberOption[]) {
    const value = options[name] ?? numberOptions[name].default;
    if (!isAllowed(numberOptions[name], value)) {
      problems.push(`${name} is ${String(value)}; allowed is ${describeAllowed(numberOptions[name])}`);
    }
    numbers[name] = value;
  }
  const { keyPrefix = clientSettings.SESSION_KEY_PREFIX.default, redis, loader, schema, observe } = options;
  const { durability = 'memory', onRedisError, redisTls } = options;
  if (!isAllowed(clientSettings.SESSION_KEY_PREFIX, keyPrefix)) {
    problems.push(
      `keyPrefix is ${JSON.stringify(keyPrefix)}; allowed is ${clientSettings.SESSION_KEY_PREFIX.allowed}`,
    );
  }
  if (!durabilities.includes(durability)) {
    problems.push(`durability is ${String(durability)}; allowed is ${durabilities.join(', ')}`);
  }
  if (durability === 'postgres' && !loader?.write) {
    problems.push('durability is postgres, and there is no loader that can write');
  }
  if (!redis) problems.push('redis is missing; give a URL, ioredis options or a connection');
  if (loader && typeof loader.load !== 'function') problems.push('loader has no load function');
  if (schema && typeof schema['~standard']?.validate !== 'function') {
    problems.push('schema is not a Standard Schema (https://standardschema.dev)');
  }
  for (const name of ['observe', 'onRedisError'] as const) {
    if (options[name] && typeof options[name] !== 'function') problems.push(`${name} is not a function`);
  }
  if (problems.length > 0) {
    throw new InvalidOptionError(`The session client's options are wrong: ${problems.join('; ')}.`);
  }
  return { ...numbers, keyPrefix, durability, redis, redisTls, loader, schema, observe, onRedisError };
}

/** The options that the settings table has a name for. */
export type OptionsFromSettings = Required<
  Pick<
    SessionClientOptions<never>,
    | 'redis'
    | 'redisTls'
    | 'keyPrefix'
    | 'partitions'
    | 'sessionTtlSeconds'
    | 'tenantCacheTtlSeconds'
    | 'maxStateBytes'
    | 'tenantBudgetBytes'
  >
>;

/**
 * Options from what `parseSettings` read: REDIS_URL, REDIS_TLS_CA_FILE, REDIS_TLS_CERT_FILE, REDIS_TLS_KEY_FILE,
 * SESSION_KEY_PREFIX, SESSION_PARTITIONS, SESSION_TTL, TENANT_CACHE_TTL, SESSION_MAX_STATE_BYTES,
 * SESSION_TENANT_BUDGET_BYTES.
 *
 * @throws InvalidOptionError without REDIS_URL
 */
export function sessionClientOptionsFrom(values: Settings): OptionsFromSettings {
  if (!values.REDIS_URL) {
    throw new InvalidOptionError(`REDIS_URL is missing; give ${describeAllowed(clientSettings.REDIS_URL)}.`);
  }
  return {
    redis: values.REDIS_URL,
    redisTls: redisTlsFilesOf(values),
    keyPrefix: values.SESSION_KEY_PREFIX,
    partitions: values.SESSION_PARTITIONS,
    sessionTtlSeconds: values.SESSION_TTL,
    tenantCacheTtlSeconds: values.TENANT_CACHE_TTL,
    maxStateBytes: values.SESSION_MAX_STATE_BYTES,
    tenantBudgetBytes: values.SESSION_TENANT_BUDGET_BYTES,
  };
}

/** What is checked of each save in Redis. Pure. */
export function saveLimits({
  maxStateBytes,
  tenantBudgetBytes,
  partitions,
}: Pick<ResolvedOptions<never>, 'maxStateBytes' | 'tenantBudgetBytes' | 'partitions'>): SaveLimits {
  if (tenantBudgetBytes === 0) return { maxBytes: maxStateBytes };
  const shareBytes = Math.floor(tenantBudgetBytes / partitions);
  return { maxBytes: maxStateBytes, budgetBytes: Math.max(shareBytes, maxStateBytes) };
}
