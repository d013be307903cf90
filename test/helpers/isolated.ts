import { randomBytes } from 'node:crypto';
import { createKeyspace, createScripts, type Keyspace, type Scripts } from '@cauce/protocol';
import { Cluster, Redis } from 'ioredis';
import pg from 'pg';
import { inject, onTestFinished } from 'vitest';

/** A name nobody else uses: safe as a key prefix, a schema and a consumer. */
export function uniqueName(): string {
  return `t${randomBytes(6).toString('hex')}`;
}

/** A plain connection to the shared Redis, or to what `url` names, closed after the test. */
export function connectRedis(url: string = inject('redisUrl')): Redis {
  const redis = openPlain(url);
  redis.on('error', () => {});
  onTestFinished(() => redis.disconnect());
  return redis;
}

function openPlain(url: string): Redis {
  const [, kind, hosts = '', name = ''] = /^redis\+(cluster|sentinel):\/\/([^/]*)\/?(.*)$/.exec(url) ?? [];
  const ports = hosts.split(',').map((host) => Number(host.split(':')[1]));
  // It has the same commands.
  if (kind === 'cluster') return new Cluster(ports.map((port) => ({ port }))) as unknown as Redis;
  if (kind === 'sentinel') return new Redis({ sentinels: ports.map((port) => ({ port })), name });
  // Fails at once instead of sending again: a test that kills the server wants to know.
  return new Redis(url, { maxRetriesPerRequest: 0, retryStrategy: () => 50 });
}

/** A pool on the shared PostgreSQL (or on `url`), closed after the test. */
export function connectPostgres(url: string = inject('databaseUrl')): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, max: 8 });
  pool.on('error', () => {});
  onTestFinished(() => pool.end());
  return pool;
}

export interface IsolatedRedis {
  readonly redis: Redis;
  readonly keyspace: Keyspace;
  readonly scripts: Scripts;
}

/** A keyspace of its own on the shared Redis, or on the Redis at `url`. */
export function isolatedRedis(
  options: { url?: string; keyPrefix?: string; partitions?: number } = {},
): IsolatedRedis {
  const { url, keyPrefix = uniqueName(), partitions = 4 } = options;
  const redis = connectRedis(url);
  const keyspace = createKeyspace({ keyPrefix, partitions });
  return { redis, keyspace, scripts: createScripts({ redis, keyspace }, { timeoutMs: 5000 }) };
}
