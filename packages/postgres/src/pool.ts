import { isLocalHost } from '@cauce/protocol';
import { readDatabaseUrl } from '@cauce/settings';
import pg from 'pg';

export interface PoolOptions {
  readonly databaseUrl: string;
  /** Most connections. */
  readonly maxConnections: number;
  /** Longest wait for a connection, ms. */
  readonly connectTimeoutMs: number;
  /** Longest wait for a statement's answer, ms; then the connection is given up. Default: no limit of the pool's. */
  readonly queryTimeoutMs?: number;
  /** What `pg_stat_activity` shows. Default `cauce-sync`. */
  readonly applicationName?: string;
  /** Called when an idle connection fails; the pool replaces it. */
  readonly onError: (error: Error) => void;
}

/**
 * A pipelining pool that sends no session settings, so PgBouncer's transaction mode works.
 * @throws InvalidOptionError for a URL that node-postgres cannot read
 */
export function createPool(options: PoolOptions): pg.Pool {
  readDatabaseUrl(options.databaseUrl, parseDatabaseUrl);
  const pool = new pg.Pool({
    connectionString: options.databaseUrl,
    max: options.maxConnections,
    connectionTimeoutMillis: options.connectTimeoutMs,
    ...(options.queryTimeoutMs === undefined ? {} : { query_timeout: options.queryTimeoutMs }),
    keepAlive: true,
    pipeline: true,
    application_name: options.applicationName ?? 'cauce-sync',
  });
  pool.on('error', options.onError);
  return pool;
}

/** What node-postgres makes of a URL, files included. Opens nothing; throws what node-postgres throws. */
export function parseDatabaseUrl(connectionString: string): pg.Client {
  return new pg.Client({ connectionString });
}

/** The other host that sessions travel to unencrypted with this URL, if there is one. */
export function plainTextHosts(databaseUrl: string): string[] {
  // PGSSLMODE counts, too.
  const { ssl, host } = parseDatabaseUrl(databaseUrl);
  return ssl || isLocalHost(host) ? [] : [host];
}
