import { createQueries } from '@cauce/postgres';
import { expect, test } from 'vitest';
import { connectPostgres } from '../../helpers/isolated.ts';
import { createPipeline } from '../../helpers/pipeline.ts';
import { createConsumerRole } from '../../helpers/postgres-role.ts';
import { savedDaysAgo } from './rows.ts';

const limits = { lockTimeoutMs: 1000, statementTimeoutMs: 5000, longTimeoutMs: 5000 };
const slice = { firstBlock: 0, endBlock: 9, historyDays: 30, settledHours: 0 };

test('where a policy may hide rows, nothing is called missing, and no purge says that nothing is old', async () => {
  const pipeline = await createPipeline();
  const { pool, table, settings, queries } = pipeline;
  const young = savedDaysAgo('young', 1);
  await queries.upsertSessions([savedDaysAgo('old', 40), young]);
  const role = await createConsumerRole(pipeline);
  const names = { schema: settings.SESSION_DB_SCHEMA ?? '', table: 'session' };
  const bound = createQueries(connectPostgres(role.url), { ...names, ...limits });
  expect(await bound.compareSessions([young])).toEqual([]);
  expect(await bound.purgeSessions({ ...slice, isDryRun: true })).toBe(1);

  await pool.query(`ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY`);
  const hidden = { code: '42501', message: expect.stringContaining('row-level security') };
  await expect(bound.compareSessions([young])).rejects.toMatchObject(hidden);
  for (const isDryRun of [true, false]) {
    await expect(bound.purgeSessions({ ...slice, isDryRun })).rejects.toMatchObject(hidden);
  }
});
