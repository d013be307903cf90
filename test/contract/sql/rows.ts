import { createQueries, type Queries, type SessionRow } from '@cauce/postgres';
import { migrate } from '@cauce/postgres/migrate';
import pg from 'pg';
import { onTestFinished } from 'vitest';
import { uniqueName } from '../../helpers/isolated.ts';

/** A row of tenant `acme`. Versions count up from a plausible time, so that 1 is older than 2. */
export function sessionRow(userId: string, version: number, state: unknown = { step: version }): SessionRow {
  return { ref: { tenantId: 'acme', userId }, state: JSON.stringify(state), version: versionAt(version) };
}

export function tombstone(userId: string, version: number): SessionRow {
  return { ref: { tenantId: 'acme', userId }, state: null, version: versionAt(version) };
}

const FIRST_VERSION_US = 1_760_000_000_000_000n;

/** The version this many µs after the first. */
export function versionAt(offset: number): string {
  return String(FIRST_VERSION_US + BigInt(offset));
}

/** A version saved this many days ago. */
export function versionDaysAgo(days: number): string {
  return (BigInt(Date.now()) * 1000n - BigInt(Math.round(days * 86_400_000_000))).toString();
}

export function savedDaysAgo(userId: string, days: number, state: unknown = { step: 1 }): SessionRow {
  return { ...sessionRow(userId, 0, state), version: versionDaysAgo(days) };
}

export function deletedDaysAgo(userId: string, days: number): SessionRow {
  return { ...tombstone(userId, 0), version: versionDaysAgo(days) };
}

export function userIds(rows: readonly { readonly ref: { readonly userId: string } }[]): string[] {
  return rows.map(({ ref }) => ref.userId).sort();
}

export interface Database {
  readonly pool: pg.Pool;
  readonly queries: Queries;
  readonly schema: string;
  /** Quoted name of the sessions table. */
  readonly table: string;
}

/** A migrated schema with a pool of its own on the server at `url`; the pool is ended after the test. It
 * pipelines like the consumer's own unless told otherwise. */
export async function createDatabase(
  url: string,
  options: {
    maxConnections?: number;
    pipeline?: boolean;
    lockTimeoutMs?: number;
    statementTimeoutMs?: number;
  } = {},
): Promise<Database> {
  const schema = uniqueName();
  await migrate({ databaseUrl: url, schema, table: 'session' });
  const pool = new pg.Pool({
    connectionString: url,
    max: options.maxConnections ?? 8,
    pipeline: options.pipeline ?? true,
  });
  pool.on('error', () => {});
  onTestFinished(() => (pool.ended ? undefined : pool.end()));
  const names = { schema, table: 'session' };
  const queries = createQueries(pool, {
    ...names,
    lockTimeoutMs: options.lockTimeoutMs ?? 2000,
    statementTimeoutMs: options.statementTimeoutMs ?? 10_000,
    longTimeoutMs: 60_000,
  });
  return { pool, queries, schema, table: `"${schema}"."session"` };
}

/** A connection on which a test holds a transaction open; closed after the test. */
export async function connectClient(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}

export async function pidOf(client: pg.Client): Promise<number> {
  return (await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]?.pid ?? 0;
}

/** Whether another connection waits for a lock that this backend holds. */
export async function isWaitedFor(pool: pg.Pool, pid: number): Promise<boolean> {
  const { rows } = await pool.query(
    'SELECT 1 FROM pg_stat_activity WHERE $1::int = ANY (pg_blocking_pids(pid))',
    [pid],
  );
  return rows.length > 0;
}
