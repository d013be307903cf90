import type { ConflictRow } from '@cauce/postgres';
import { expect, test } from 'vitest';
import { companion } from '../../helpers/companion.ts';
import { createPipeline, type Pipeline } from '../../helpers/pipeline.ts';
import { sessionRow, tombstone, versionAt } from './rows.ts';

const lost = (version: number, winning: number, state: unknown = { step: version }): ConflictRow => ({
  ...sessionRow('ana', version, state),
  winningVersion: versionAt(winning),
});

async function archived({ pool, table }: Pipeline): Promise<unknown[]> {
  const conflicts = companion(table, 'conflict');
  const { rows } = await pool.query(
    `SELECT tenant_id, user_id, version::text, winning_version::text, state,
            abs(extract(epoch FROM clock_timestamp() - recorded_at)) < 5 AS is_recorded_now
     FROM ${conflicts} ORDER BY user_id, version`,
  );
  return rows;
}

test('keeps the losing state with both versions (P6)', async () => {
  const pipeline = await createPipeline();
  await pipeline.queries.archiveConflicts([lost(1, 5, { "it's": '{"NULL"}' })]);
  expect(await archived(pipeline)).toEqual([
    {
      tenant_id: 'acme',
      user_id: 'ana',
      version: versionAt(1),
      winning_version: versionAt(5),
      state: { "it's": '{"NULL"}' },
      is_recorded_now: true,
    },
  ]);
});

test('archiving a conflict again changes nothing: the first record stays (P6)', async () => {
  const pipeline = await createPipeline();
  await pipeline.queries.archiveConflicts([lost(1, 5, 'first')]);
  const before = await archived(pipeline);
  await pipeline.queries.archiveConflicts([lost(1, 9, 'second')]);
  await pipeline.queries.archiveConflicts([lost(1, 5, 'first'), lost(1, 5, 'first')]);
  expect(await archived(pipeline)).toEqual(before);
});

test('several versions of one session that lost are all kept, tombstones too (P6)', async () => {
  const pipeline = await createPipeline();
  const deleted: ConflictRow = { ...tombstone('ana', 3), winningVersion: versionAt(5) };
  await pipeline.queries.archiveConflicts([lost(2, 5), deleted, lost(1, 5)]);
  expect(await archived(pipeline)).toMatchObject([
    { version: versionAt(1) },
    { version: versionAt(2) },
    { version: versionAt(3), state: null },
  ]);
});

test('two consumers that archive the same conflicts in opposite order do not deadlock (F14)', async () => {
  const pipeline = await createPipeline();
  for (let round = 0; round < 30; round++) {
    const conflicts = Array.from({ length: 200 }, (_, i) => lost(round * 200 + i, 1_000_000));
    await Promise.all([
      pipeline.queries.archiveConflicts(conflicts),
      pipeline.queries.archiveConflicts([...conflicts].reverse()),
    ]);
  }
  expect(await archived(pipeline)).toHaveLength(6000);
});
