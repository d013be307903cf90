import { createPool, createQueries, plainTextHosts } from '@cauce/postgres';
import {
  type Clocks,
  createKeyspace,
  createScripts,
  hostClocks,
  type OpenRedis,
  openRedis,
  type RedisTlsFiles,
} from '@cauce/protocol';
import { redisTlsFilesOf } from '@cauce/settings';
import { type PassSettings, passOptions } from '@cauce/sync-consumer/internal';
import type { AdminDeps, SyncOptions } from './admin-deps.ts';

export type PostgresPool = Parameters<typeof createQueries>[0];

/** How the stores are opened. Opening connects lazily; a failure shows in the first call. */
export interface StoreOpeners {
  /** How long a store may take to accept a connection, ms. */
  readonly connectTimeoutMs: number;
  readonly openRedis: (url: string, tlsFiles: RedisTlsFiles) => OpenRedis;
  readonly openPostgres: (url: string, options: { maxConnections: number }) => PostgresPool;
}

export interface OpenDeps {
  readonly openers: StoreOpeners;
  /** The host's by default. */
  readonly clocks?: Clocks | undefined;
  /** Called when states and passwords travel to another host unencrypted. Default: nothing is called. */
  readonly onPlainText?: (store: 'Redis' | 'PostgreSQL', hosts: readonly string[]) => void;
}

const CONNECT_TIMEOUT_MS = 5000;
const REDIS_ANSWER_TIMEOUT_MS = 10_000;
const QUERY_TIMEOUT_MS = 15_000;

/** @param clientName what both stores show of the connections */
export function storeOpeners(clientName: string): StoreOpeners {
  return {
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    openRedis: (url, tlsFiles) =>
      openRedis(url, {
        tlsFiles,
        connectionName: clientName,
        answerTimeoutMs: REDIS_ANSWER_TIMEOUT_MS,
        // The call that needs the connection fails with the reason.
        onError: () => {},
      }),
    openPostgres: (url, { maxConnections }) =>
      createPool({
        databaseUrl: url,
        applicationName: clientName,
        maxConnections,
        connectTimeoutMs: CONNECT_TIMEOUT_MS,
        queryTimeoutMs: QUERY_TIMEOUT_MS,
        onError: () => {},
      }),
  };
}

/** Opens Redis (REDIS_URL), runs the work, closes Redis. @throws RedisError when it cannot be reached */
export async function withRedis<T>(
  { openers, clocks = hostClocks, onPlainText }: OpenDeps,
  settings: PassSettings,
  work: (deps: Omit<AdminDeps, 'queries'>) => Promise<T>,
): Promise<T> {
  const opened = openers.openRedis(settings.REDIS_URL ?? '', redisTlsFilesOf(settings));
  onPlainText?.('Redis', opened.plainTextHosts);
  const keyspace = createKeyspace({
    keyPrefix: settings.SESSION_KEY_PREFIX,
    partitions: settings.SESSION_PARTITIONS,
  });
  const { redis } = opened;
  const { redisTimeoutMs: timeoutMs } = syncOptionsOf(settings);
  try {
    await opened.ready(openers.connectTimeoutMs);
    const scripts = createScripts({ redis, keyspace }, { timeoutMs });
    return await work({ ...clocks, redis, keyspace, scripts });
  } finally {
    await opened.close();
  }
}

/** Opens PostgreSQL (DATABASE_URL) lazily, runs the work, closes it. */
export async function withPostgres<T>(
  { openers, onPlainText }: OpenDeps,
  settings: PassSettings,
  work: (deps: Pick<AdminDeps, 'queries'>) => Promise<T>,
): Promise<T> {
  const url = settings.DATABASE_URL ?? '';
  onPlainText?.('PostgreSQL', plainTextHosts(url));
  const pool = openers.openPostgres(url, { maxConnections: settings.SYNC_BATCHES_IN_FLIGHT + 1 });
  try {
    return await work({ queries: queriesOf(pool, settings) });
  } finally {
    await pool.end();
  }
}

/** Opens both. */
export function withStores<T>(
  deps: OpenDeps,
  settings: PassSettings,
  work: (deps: AdminDeps) => Promise<T>,
): Promise<T> {
  return withRedis(deps, settings, (redis) =>
    withPostgres(deps, settings, (postgres) => work({ ...redis, ...postgres })),
  );
}

/** The statements on your own pool. */
export function queriesOf(pool: PostgresPool, settings: PassSettings): AdminDeps['queries'] {
  return createQueries(pool, passOptions(settings));
}

/** How the operations sync sessions, as the consumer of this deployment does. */
export function syncOptionsOf(settings: PassSettings): SyncOptions {
  return passOptions(settings);
}
