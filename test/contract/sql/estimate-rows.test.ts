import { createQueries } from '@cauce/postgres';
import { expect, test } from 'vitest';
import { uniqueName } from '../../helpers/isolated.ts';
import { createPipeline } from '../../helpers/pipeline.ts';

test('tells "nobody counted yet", "empty" and "about so many" apart, without reading the table', async () => {
  const { queries, pool, table } = await createPipeline();
  expect(await queries.estimateRows()).toBeUndefined();
  await pool.query(`VACUUM ANALYZE ${table}`);
  await pool.query(
    `INSERT INTO ${table} SELECT 'acme', 'u' || i, '1', i, now(), now(), now() FROM generate_series(1, 5000) i`,
  );
  await pool.query(`ANALYZE ${table}`);
  expect(await queries.estimateRows()).toBe(5000);
});

test('a missing table is said to be missing', async () => {
  const { pool } = await createPipeline({ migrated: false });
  const limits = { lockTimeoutMs: 1000, statementTimeoutMs: 1000, longTimeoutMs: 1000 };
  const queries = createQueries(pool, { schema: uniqueName(), table: 'session', ...limits });
  expect(await queries.estimateRows()).toBe('no_table');
});
