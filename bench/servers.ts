import { type ExternalService, type PrivateService, startServices, startTcpProxy } from '@cauce/dev-services';
import { migrate } from '@cauce/postgres/migrate';
import { Redis } from 'ioredis';
import pg from 'pg';

/** How far away the remote PostgreSQL is. */
export const FAR_MS = 100;

export type Servers = Awaited<ReturnType<typeof startServers>>;

/**
 * A private Redis and a private PostgreSQL, and two ways to the latter: one that counts, can be closed, and one that is
 * 100 ms long. Nothing else uses them, so they are emptied between suites.
 */
export async function startServers() {
  const { PATH, HOME, XDG_CACHE_HOME } = process.env;
  const services = await startServices({
    env: { PATH, HOME, XDG_CACHE_HOME },
    // A rewrite of the append-only file would hit one contender and not the other.
    redis: { extraArgs: ['--auto-aof-rewrite-percentage', '0'] },
    // Says when a row was committed, not only when its statement ran.
    postgres: { settings: { track_commit_timestamp: 'on', max_connections: '200' } },
  });
  const targetPort = Number(new URL(services.postgres.url).port);
  const [nearProxy, farProxy] = await Promise.all([
    startTcpProxy({ targetPort }),
    startTcpProxy({ targetPort, latencyMs: FAR_MS }),
  ]);
  const redisUrl = services.redis.url;
  const databaseUrl = services.postgres.url;
  const redis = new Redis(redisUrl);
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 2 });

  return {
    redisUrl,
    databaseUrl,
    farDatabaseUrl: farProxy.urlFor(databaseUrl),
    countedDatabaseUrl: nearProxy.urlFor(databaseUrl),
    countedProxy: nearProxy,
    redis,
    pool,
    versions: {
      redis: versionOf(services.redis),
      postgres: versionOf(services.postgres),
    },
    /** An empty Redis, and the schema `public` with the tables of Cauce and one for direct upserts. */
    async reset() {
      await redis.flushall();
      await pool.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public');
      await migrate({ databaseUrl, schema: 'public', table: 'session' });
      await pool.query(
        'CREATE TABLE direct (tenant_id text, user_id text, state jsonb, updated_at timestamptz, PRIMARY KEY (tenant_id, user_id))',
      );
    },
    async stop() {
      redis.disconnect();
      await pool.end();
      await Promise.all([nearProxy.stop(), farProxy.stop()]);
      await services.stop();
    },
  };
}

function versionOf(service: ExternalService | PrivateService<{ readonly version: string }>): string {
  return service.kind === 'private' ? service.server.version : '';
}
