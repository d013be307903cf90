import type pg from 'pg';

/** Stores the mode of every partition, as the only one there ever was. */
export async function storeMode(
  pool: pg.Pool,
  {
    schema,
    table = 'session',
    partitions,
    mode,
  }: { schema: string; table?: string; partitions: number; mode: string },
): Promise<void> {
  await pool.query(
    `INSERT INTO "${schema}"."${table}_layout" (partitions, hash, protocol) VALUES ($1, 'crc32', 2)
     ON CONFLICT DO NOTHING`,
    [partitions],
  );
  await pool.query(
    `INSERT INTO "${schema}"."${table}_mode" AS stored (scope, mode, term, changed_by)
     SELECT 'p:' || p, $2, 1, 'a test' FROM generate_series(0, $1::integer - 1) AS p
     ON CONFLICT (scope) DO UPDATE SET mode = excluded.mode, term = stored.term + 1`,
    [partitions, mode],
  );
}
