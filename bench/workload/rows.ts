import type { Pool } from 'pg';
import type { States } from './states.ts';

/** Fills a table with the rows of users 0 to `rows - 1`, as old as rows can be. */
export async function insertRows(
  pool: Pool,
  { table, rows, states }: { readonly table: string; readonly rows: number; readonly states: States },
): Promise<void> {
  await pool.query(
    `INSERT INTO ${table} (tenant_id, user_id, state, version, created_at, updated_at, synced_at)
     SELECT 'tenant' || n % 5, 'user' || n, ($2::jsonb[])[1 + n % array_length($2::jsonb[], 1)], 1, now(), now(), now()
     FROM generate_series(0, $1 - 1) AS n`,
    [rows, states.all.map(({ json }) => json)],
  );
  await pool.query(`VACUUM (ANALYZE) ${table}`);
}
