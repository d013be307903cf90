import { type Services, startServices } from '@cauce/dev-services';
import { createPool } from '@cauce/postgres';
import { migrate } from '@cauce/postgres/migrate';
import {
  createKeyspace,
  type Keyspace,
  type OpenRedis,
  openRedis,
  withoutCredentials,
} from '@cauce/protocol';
import type { Environment } from '@cauce/settings';
import type pg from 'pg';
import { readSettings } from './settings.ts';

/** Both stores, ready for use, and connections for looking at them. */
export interface Stores extends AsyncDisposable {
  readonly redisUrl: string;
  readonly databaseUrl: string;
  readonly redis: OpenRedis['redis'];
  readonly pool: pg.Pool;
  readonly keyspace: Keyspace;
  readonly schema: string;
  readonly table: string;
  /** `Redis 7.0.15 on port 15123`. */
  readonly description: string;
}

export interface StoresOptions {
  readonly env: Environment;
  readonly keyPrefix: string;
  readonly partitions: number;
  readonly schema: string;
  readonly table: string;
  /** Remove what was written, where a server is not ours and so is not removed as a whole. */
  readonly isTemporary: boolean;
  /** Called with the name of what takes long. */
  readonly onNotice: (notice: string) => void;
}

/** A store that is there cannot be used. */
export class StoreFailure extends Error {
  constructor(name: string, url: string, cause: unknown) {
    const reason = cause instanceof Error ? cause.message || String(cause) : String(cause);
    super(`${name} at ${withoutCredentials(url)} cannot be used: ${reason}`, { cause });
    this.name = 'StoreFailure';
  }
}

const REDIS_TIMEOUT_MS = 5000;

/**
 * Starts private servers (or takes those of REDIS_URL and DATABASE_URL) and migrates.
 *
 * @throws ConfigurationError, ServerError, StoreFailure
 */
export async function openStores(options: StoresOptions): Promise<Stores> {
  const { keyPrefix, partitions, schema, table } = options;
  const { REDIS_URL, DATABASE_URL } = options.env;
  readSettings({ REDIS_URL, DATABASE_URL });
  const services = await startServices({ env: options.env, onNotice: options.onNotice });
  const undo: (() => Promise<unknown>)[] = [() => services.stop()];
  const close = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    const connection = openRedis(services.redis.url, {
      connectionName: 'cauce-demo',
      answerTimeoutMs: 2 * REDIS_TIMEOUT_MS,
      onError: () => {},
    });
    undo.push(() => connection.close());
    await connection.ready(REDIS_TIMEOUT_MS).catch((error: unknown) => {
      throw new StoreFailure('Redis', services.redis.url, error);
    });
    const pool = createPool({
      databaseUrl: services.postgres.url,
      maxConnections: 4,
      connectTimeoutMs: 5000,
      queryTimeoutMs: 30_000,
      onError: () => {},
    });
    undo.push(() => pool.end());
    await migrate({ databaseUrl: services.postgres.url, schema, table }).catch((error: unknown) => {
      throw new StoreFailure('PostgreSQL', services.postgres.url, error);
    });
    if (options.isTemporary && services.postgres.kind === 'external') {
      undo.push(() => pool.query(`DROP SCHEMA "${schema}" CASCADE`));
    }
    if (options.isTemporary && services.redis.kind === 'external') {
      undo.push(() => deleteKeys(connection.redis, `${keyPrefix}:*`));
    }
    return {
      redisUrl: services.redis.url,
      databaseUrl: services.postgres.url,
      redis: connection.redis,
      pool,
      keyspace: createKeyspace({ keyPrefix, partitions }),
      schema,
      table,
      description: describe(services),
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function describe({ redis, postgres }: Services): string {
  const redisName =
    redis.kind === 'external'
      ? 'Redis of REDIS_URL'
      : `${redis.server.product === 'redis' ? 'Redis' : 'Valkey'} ${redis.server.version} on port ${redis.server.port}`;
  const postgresName =
    postgres.kind === 'external'
      ? 'PostgreSQL of DATABASE_URL'
      : `PostgreSQL ${postgres.server.version} on port ${postgres.server.port}`;
  return `${redisName}, ${postgresName}`;
}

async function deleteKeys(redis: OpenRedis['redis'], pattern: string): Promise<void> {
  let cursor = '0';
  do {
    const [next, keys] = (await redis.call('SCAN', cursor, 'MATCH', pattern, 'COUNT', '1000')) as [
      string,
      string[],
    ];
    if (keys.length > 0) await redis.unlink(...keys);
    cursor = next;
  } while (cursor !== '0');
}
