import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createPool, createQueries, type SessionRow } from '@cauce/postgres';
import { migrate } from '@cauce/postgres/migrate';
import { createKeyspace } from '@cauce/protocol';
import { from as copyFrom } from 'pg-copy-streams';
import type { Servers } from '../servers.ts';
import type { States } from '../workload/states.ts';
import { refOf } from '../workload/users.ts';

const BATCH_ROWS = 500;
/** The consumer's default. */
const BATCHES_IN_FLIGHT = 4;

export type BulkFloor = Awaited<ReturnType<typeof openBulkFloor>>;
/** Every one has a state. */
type Row = SessionRow & { readonly state: string };

/** What PostgreSQL can take at best, without Redis: the consumer's own statement, and COPY. */
export async function openBulkFloor(
  { databaseUrl, pool: admin }: Pick<Servers, 'databaseUrl' | 'pool'>,
  { schema = 'floor' } = {},
) {
  await admin.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE; CREATE SCHEMA ${schema}`);
  await migrate({ databaseUrl, schema, table: 'session' });
  const pool = createPool({
    databaseUrl,
    maxConnections: BATCHES_IN_FLIGHT,
    connectTimeoutMs: 5000,
    queryTimeoutMs: 60_000,
    onError: () => {},
  });
  const queries = createQueries(pool, {
    ...{ schema, table: 'session' },
    ...{ lockTimeoutMs: 2000, statementTimeoutMs: 60_000, longTimeoutMs: 60_000 },
  });
  const keyspace = createKeyspace();

  return {
    /** In the order in which partitions give them to the consumer. */
    toRows(users: Iterable<number>, states: States): Row[] {
      const version = String(Date.now() * 1000);
      return [...users]
        .map((user) => ({ ref: refOf(user), state: states.nth(user).json, version }))
        .map((row) => ({ row, partition: keyspace.locate(row.ref).partition }))
        .sort((a, b) => a.partition - b.partition)
        .map(({ row }) => row);
    },
    async upsert(rows: readonly Row[]): Promise<void> {
      let next = 0;
      const lane = async () => {
        while (next < rows.length) {
          const start = next;
          next += BATCH_ROWS;
          await queries.upsertSessions(rows.slice(start, start + BATCH_ROWS));
        }
      };
      await Promise.all(Array.from({ length: BATCHES_IN_FLIGHT }, lane));
    },
    async copyAndMerge(rows: readonly Row[]): Promise<void> {
      const client = await admin.connect();
      try {
        await client.query('BEGIN');
        await client.query(
          'CREATE TEMP TABLE staging (tenant_id text, user_id text, state jsonb, version bigint) ON COMMIT DROP',
        );
        const copy = client.query(copyFrom('COPY staging FROM STDIN'));
        await pipeline(Readable.from([rows.map(toCopyLine).join('')]), copy);
        await client.query(mergeInto(schema));
        await client.query('COMMIT');
      } finally {
        client.release();
      }
    },
    close: () => pool.end(),
  };
}

const mergeInto = (schema: string) => `
  INSERT INTO ${schema}.session AS stored (tenant_id, user_id, state, version, created_at, updated_at, synced_at)
  SELECT tenant_id, user_id, state, version, to_timestamp(version / 1e6), to_timestamp(version / 1e6), clock_timestamp()
  FROM staging
  ORDER BY tenant_id COLLATE "C", user_id COLLATE "C"
  ON CONFLICT (tenant_id, user_id) DO UPDATE
  SET state = excluded.state, version = excluded.version, updated_at = excluded.updated_at,
      synced_at = excluded.synced_at
  WHERE excluded.version > stored.version`;

function toCopyLine({ ref, state, version }: Row): string {
  return `${ref.tenantId}\t${ref.userId}\t${state.replaceAll('\\', '\\\\')}\t${version}\n`;
}
