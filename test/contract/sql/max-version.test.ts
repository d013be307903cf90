import { MAX_VERSION } from '@cauce/protocol';
import { expect, test } from 'vitest';
import { createPipeline } from '../../helpers/pipeline.ts';
import { sessionRow, tombstone, versionAt } from './rows.ts';

test('an empty table has version 0', async () => {
  const { queries } = await createPipeline();
  expect(await queries.maxVersion()).toBe('0');
});

test('the newest version of all, tombstones included, with every digit: a new clock starts above it (P3, F5)', async () => {
  const { queries } = await createPipeline();
  await queries.upsertSessions([sessionRow('ana', 3), tombstone('bea', 7), sessionRow('cal', 5)]);
  expect(await queries.maxVersion()).toBe(versionAt(7));
  await queries.upsertSessions([{ ...sessionRow('dan', 1), version: MAX_VERSION }]);
  expect(await queries.maxVersion()).toBe(MAX_VERSION);
});

test('compares as numbers, not as text (F18)', async () => {
  const { queries } = await createPipeline();
  await queries.upsertSessions(
    ['9', '10', '8'].map((version, i) => ({ ...sessionRow(`u${i}`, 1), version })),
  );
  expect(await queries.maxVersion()).toBe('10');
});

test('a row that Redis cannot count on from is left out: it would stop every partition (P3, P9)', async () => {
  const { queries, pool, table } = await createPipeline();
  await pool.query(`ALTER TABLE ${table} DROP CONSTRAINT countable_version`);
  await queries.upsertSessions([{ ...sessionRow('ana', 1), version: '4503599627370496' }]);
  expect(await queries.maxVersion()).toBe('0');
  await queries.upsertSessions([sessionRow('bea', 7)]);
  expect(await queries.maxVersion()).toBe(versionAt(7));
});
