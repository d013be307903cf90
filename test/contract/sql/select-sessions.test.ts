import { expect, test } from 'vitest';
import { createPipeline } from '../../helpers/pipeline.ts';
import { sessionRow, tombstone, versionAt } from './rows.ts';

const ref = (userId: string) => ({ tenantId: 'acme', userId });

test('reads states as JSON text, tombstones as null, versions as text; absent sessions are absent', async () => {
  const { queries } = await createPipeline();
  await queries.upsertSessions([sessionRow('ana', 1, { a: [1, 'x'] }), tombstone('bea', 2)]);
  const found = await queries.selectSessions([ref('bea'), ref('nobody'), ref('ana')]);
  expect(found).toHaveLength(2);
  expect(found).toContainEqual({ ref: ref('ana'), state: '{"a": [1, "x"]}', version: versionAt(1) });
  expect(found).toContainEqual({ ref: ref('bea'), state: null, version: versionAt(2) });
});

test('a session is found by both of its ids, never by one alone (P9)', async () => {
  const { queries } = await createPipeline();
  await queries.upsertSessions([sessionRow('ana', 1)]);
  const others = [
    { tenantId: 'other', userId: 'ana' },
    { tenantId: 'acme', userId: 'other' },
    { tenantId: 'ana', userId: 'acme' },
  ];
  expect(await queries.selectSessions(others)).toEqual([]);
});

test('no sessions asked for, none returned', async () => {
  const { queries } = await createPipeline();
  await queries.upsertSessions([sessionRow('ana', 1)]);
  expect(await queries.selectSessions([])).toEqual([]);
});

test('a batch of 500 among 5,000 rows is read through the primary key', async () => {
  const { queries, pool, table } = await createPipeline();
  await pool.query(
    `INSERT INTO ${table} SELECT 'acme', 'u' || i, '1', i, now(), now(), now() FROM generate_series(1, 5000) i`,
  );
  const refs = Array.from({ length: 500 }, (_, i) => ref(`u${i * 10 + 1}`));
  expect(await queries.selectSessions(refs)).toHaveLength(500);
});

test('reads the last operations of a row as it was written with them; none where there are none', async () => {
  const { queries } = await createPipeline();
  const operations = 'op-2=1760000000000001 op-1=5';
  await queries.upsertSessions([{ ...sessionRow('ana', 1), operations }, sessionRow('bea', 1)]);
  expect(await queries.selectSessions([ref('ana')])).toMatchObject([{ operations }]);
  expect((await queries.selectSessions([ref('bea')]))[0]?.operations).toBeUndefined();
});
