import { expect, test } from 'vitest';
import { companion } from '../../helpers/companion.ts';
import { createPipeline, type Pipeline } from '../../helpers/pipeline.ts';
import { sessionRow, versionAt } from './rows.ts';

async function archiveAged(pipeline: Pipeline, agesDays: readonly number[]): Promise<void> {
  const conflicts = companion(pipeline.table, 'conflict');
  for (const [i, days] of agesDays.entries()) {
    const lost = { ...sessionRow('ana', i), winningVersion: versionAt(1000) };
    await pipeline.queries.archiveConflicts([lost]);
    await pipeline.pool.query(
      `UPDATE ${conflicts} SET recorded_at = now() - make_interval(secs => $1) WHERE version = $2`,
      [days * 86_400, lost.version],
    );
  }
}

async function remaining({ pool, table }: Pipeline): Promise<string[]> {
  const conflicts = companion(table, 'conflict');
  const { rows } = await pool.query<{ version: string }>(`SELECT version::text FROM ${conflicts} ORDER BY 1`);
  return rows.map(({ version }) => version);
}

test('conflicts older than the history go, younger ones stay', async () => {
  const pipeline = await createPipeline();
  await archiveAged(pipeline, [0, 29.9, 30.1, 400]);
  expect(await pipeline.queries.purgeConflicts({ historyDays: 30, isDryRun: false })).toBe(2);
  expect(await remaining(pipeline)).toEqual([versionAt(0), versionAt(1)]);
  expect(await pipeline.queries.purgeConflicts({ historyDays: 30, isDryRun: false })).toBe(0);
});

test('a dry run counts the same and deletes nothing', async () => {
  const pipeline = await createPipeline();
  await archiveAged(pipeline, [0, 29.9, 30.1, 400]);
  expect(await pipeline.queries.purgeConflicts({ historyDays: 30, isDryRun: true })).toBe(2);
  expect(await remaining(pipeline)).toHaveLength(4);
});
