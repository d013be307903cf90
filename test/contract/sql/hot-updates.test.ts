import { expect, inject, test } from 'vitest';
import { eventually } from '../../helpers/eventually.ts';
import { connectPostgres } from '../../helpers/isolated.ts';
import { createPipeline } from '../../helpers/pipeline.ts';
import { createDatabase, type Database, sessionRow } from './rows.ts';

test('the only index is the primary key: any other one on a column that changes ends HOT updates', async () => {
  const { pool, table } = await createPipeline();
  const { rows } = await pool.query(
    `SELECT pg_get_indexdef(indexrelid) AS definition, indisprimary FROM pg_index WHERE indrelid = '${table}'::regclass`,
  );
  expect(rows).toEqual([
    { definition: expect.stringMatching(/\(tenant_id, user_id\)$/), indisprimary: true },
  ]);
});

test('the page keeps room for HOT updates, and both ids compare by bytes', async () => {
  const { pool, table } = await createPipeline();
  const { rows } = await pool.query(
    `SELECT reloptions, (SELECT array_agg(DISTINCT collation_name::text) FROM information_schema.columns
             WHERE table_schema || '.' || table_name = replace('${table}', '"', '')
               AND column_name IN ('tenant_id', 'user_id')) AS collations
     FROM pg_class WHERE oid = '${table}'::regclass`,
  );
  expect(rows[0].reloptions).toContain('fillfactor=80');
  expect(rows[0].collations).toEqual(['C']);
});

test('saves of 1 KB sessions are mostly HOT updates', async () => {
  const database = await createDatabase(inject('databaseUrl'), { maxConnections: 1 });
  const { hot, updates } = await updateInRounds(database);
  expect(updates).toBe(2000);
  expect(hot / updates).toBeGreaterThan(0.3);
});

test('with an index on version none is: the guard above is worth its line', async () => {
  const database = await createDatabase(inject('databaseUrl'), { maxConnections: 1 });
  await database.pool.query(`CREATE INDEX ON ${database.table} (version)`);
  const { hot, updates } = await updateInRounds(database);
  expect({ hot, updates }).toEqual({ hot: 0, updates: 2000 });
});

/** 1,000 sessions, of which a fifth is saved in each of ten rounds; vacuumed in between as autovacuum would. */
async function updateInRounds({ pool, queries, table }: Database): Promise<{ hot: number; updates: number }> {
  const users = Array.from({ length: 1000 }, (_, i) => `user-${i}`);
  const state = { text: 'x'.repeat(1000) };
  await queries.upsertSessions(users.map((user) => sessionRow(user, 0, state)));
  for (let round = 1; round <= 10; round++) {
    const some = users.filter((_, i) => (i * 7 + round) % 5 === 0);
    await queries.upsertSessions(some.map((user) => sessionRow(user, round, state)));
    if (round % 3 === 0) await pool.query(`VACUUM ${table}`);
  }
  // A connection reports its counts when it ends, at the latest.
  await pool.end();
  const observer = connectPostgres();
  return eventually(async () => {
    const { rows } = await observer.query(
      `SELECT n_tup_upd::int AS updates, n_tup_hot_upd::int AS hot FROM pg_stat_user_tables WHERE relid = '${table}'::regclass`,
    );
    expect(rows[0].updates).toBe(2000);
    return rows[0];
  });
}
