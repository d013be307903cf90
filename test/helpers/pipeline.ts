import { createHash } from 'node:crypto';
import { createQueries, type Queries } from '@cauce/postgres';
import { migrate } from '@cauce/postgres/migrate';
import type { Keyspace, Scripts, SessionRef } from '@cauce/protocol';
import {
  type PeriodicSync,
  type PeriodicSyncOptions,
  type SyncSettings,
  startPeriodicSync,
} from '@cauce/sync-consumer';
import type { Redis } from 'ioredis';
import type pg from 'pg';
import { inject, onTestFinished } from 'vitest';
import { connectPostgres, isolatedRedis, uniqueName } from './isolated.ts';

export interface Pipeline {
  readonly redis: Redis;
  readonly keyspace: Keyspace;
  readonly scripts: Scripts;
  readonly pool: pg.Pool;
  readonly queries: Queries;
  readonly redisUrl: string;
  readonly databaseUrl: string;
  /** Quoted name of the sessions table. */
  readonly table: string;
  /** Settings of this pipeline, quick enough for a test. */
  readonly settings: Partial<SyncSettings>;
  /** The same as an environment, for child processes. */
  readonly env: Record<string, string>;
  /** Saves through the script, as the bot does; the op id is new each time. Returns the version. */
  save(ref: SessionRef, state: unknown): Promise<string>;
  clear(ref: SessionRef): Promise<string>;
  /** An embedded consumer, stopped after the test. */
  startSync(overrides?: Partial<SyncSettings>, options?: Partial<PeriodicSyncOptions>): PeriodicSync;
  row(ref: SessionRef): Promise<{ state: unknown; version: string } | undefined>;
  countDirty(): Promise<number>;
  countEvents(): Promise<number>;
}

/** A keyspace and a migrated schema of their own, on the shared servers or on those at the given URLs. */
export async function createPipeline(
  options: {
    redisUrl?: string;
    databaseUrl?: string;
    keyPrefix?: string;
    partitions?: number;
    migrated?: boolean;
  } = {},
): Promise<Pipeline> {
  const { redisUrl = inject('redisUrl'), databaseUrl = inject('databaseUrl'), partitions = 4 } = options;
  const { redis, keyspace, scripts } = isolatedRedis({ ...options, url: redisUrl, partitions });
  const pool = connectPostgres(databaseUrl);
  const schema = uniqueName();
  if (options.migrated !== false) await migrate({ databaseUrl, schema, table: 'session' });
  const settings: Partial<SyncSettings> = {
    SESSION_KEY_PREFIX: keyspace.keyPrefix,
    SESSION_PARTITIONS: partitions,
    SESSION_DB_SCHEMA: schema,
    SESSION_SYNC_INTERVAL: 50,
    SYNC_CLAIM_IDLE: 1000,
    SYNC_SWEEP_AFTER: 1000,
    SYNC_HTTP_PORT: 0,
  };
  const partitionNumbers = Array.from({ length: partitions }, (_, partition) => partition);
  const sum = async (count: (partition: number) => Promise<number>): Promise<number> =>
    (await Promise.all(partitionNumbers.map(count))).reduce((total, one) => total + one, 0);
  let operations = 0;
  const write = async (ref: SessionRef, state: string, isTombstone: boolean): Promise<string> => {
    const opId = createHash('sha1').update(`${schema}${operations++}`).digest('base64url').slice(0, 12);
    const call = { session: keyspace.locate(ref), state, isTombstone, opId };
    const [reply] = await scripts.save([call], { maxBytes: 1e7 });
    if (reply?.outcome !== 'saved') throw new Error(`not saved: ${reply?.outcome}`);
    return reply.version;
  };
  const table = `"${schema}"."session"`;

  return {
    redis,
    keyspace,
    scripts,
    pool,
    queries: createQueries(pool, {
      schema,
      table: 'session',
      lockTimeoutMs: 2000,
      statementTimeoutMs: 10_000,
      longTimeoutMs: 60_000,
    }),
    redisUrl,
    databaseUrl,
    table,
    settings,
    env: {
      REDIS_URL: redisUrl,
      DATABASE_URL: databaseUrl,
      ...Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, String(value)])),
    },
    save: (ref, state) => write(ref, JSON.stringify(state), false),
    clear: (ref) => write(ref, '', true),
    startSync(overrides = {}, syncOptions = {}) {
      const sync = startPeriodicSync({
        redis: redisUrl,
        database: databaseUrl,
        settings: { ...settings, ...overrides },
        ...syncOptions,
      });
      onTestFinished(() => sync.stop({ deadlineMs: 2000 }));
      return sync;
    },
    async row(ref) {
      const { rows } = await pool.query<{ state: unknown; version: string }>(
        `SELECT state, version::text AS version FROM ${table} WHERE tenant_id = $1 AND user_id = $2`,
        [ref.tenantId, ref.userId],
      );
      return rows[0];
    },
    countDirty: () => sum((partition) => redis.zcard(keyspace.dirty(partition))),
    countEvents: () => sum((partition) => redis.xlen(keyspace.changes(partition))),
  };
}
