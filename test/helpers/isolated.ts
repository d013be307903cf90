import { randomBytes } from 'node:crypto';
import { createKeyspace, createScripts, type Keyspace, type Scripts } from '@cauce/protocol';
import { Cluster, Redis } from 'ioredis';
import pg from 'pg';
import { inject, onTestFinished } from 'vitest';

/** A name nobody else uses: safe as a key prefix, a schema and a consumer. */
export function uniqueName(): string {
  return `t${randomBytes(6).toString('hex')}`;
}

/** A plain connection to the shared Redis (or to `url`, which may name a cluster), closed after the test. */
export function connectRedis(url: string = inject('redisUrl')): Redis {
  const [, nodes] = /^redis\+cluster:\/\/(.*)$/.exec(url) ?? [];
  const redis = nodes
    ? // It has the same commands.
      (new Cluster(nodes.split(',').map((node) => `redis://${node}`)) as unknown as Redis)
    : // Fails at once instead of sending again: a test that kills the server wants to know.
      new Redis(url, { maxRetriesPerRequest: 0, retryStrategy: () => 50 });
  redis.on('error', () => {});
  onTestFinished(() => redis.disconnect());
  return redis;
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
export function isolatedRedis(options: { url?: string; partitions?: number } = {}): IsolatedRedis {
  const redis = connectRedis(options.url);
  const keyspace = createKeyspace({ keyPrefix: uniqueName(), partitions: options.partitions ?? 4 });
  return { redis, keyspace, scripts: createScripts({ redis, keyspace }, { timeoutMs: 5000 }) };
}
