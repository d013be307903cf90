import { createQueries } from '@cauce/postgres';
import { migrate } from '@cauce/postgres/migrate';
import { expect, inject, test } from 'vitest';
import { connectPostgres, uniqueName } from '../../helpers/isolated.ts';
import { createPipeline } from '../../helpers/pipeline.ts';

const limits = { lockTimeoutMs: 1000, statementTimeoutMs: 5000, longTimeoutMs: 5000 };

test('an empty table has no blocks; a full one as many as its last row says', async () => {
  const { queries, pool, table } = await createPipeline();
  expect(await queries.countBlocks()).toBe(0);
  await pool.query(
    `INSERT INTO ${table} SELECT 'acme', 'u' || i, '1', i, now(), now(), now() FROM generate_series(1, 10000) i`,
  );
  const { rows } = await pool.query(`SELECT max((ctid::text::point)[0])::int + 1 AS blocks FROM ${table}`);
  const blocks = await queries.countBlocks();
  expect(blocks).toBe(rows[0].blocks);
  expect(blocks).toBeGreaterThan(50);
});

test('finds a table whose names need quotes', async () => {
  const databaseUrl = inject('databaseUrl');
  const names = { schema: `${uniqueName()}_1`, table: 'select' };
  await migrate({ databaseUrl, ...names });
  const pool = connectPostgres(databaseUrl);
  const queries = createQueries(pool, { ...names, ...limits });
  expect(await queries.countBlocks()).toBe(0);
});
