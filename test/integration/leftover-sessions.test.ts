import { syncToDB } from '@cauce/sync-consumer';
import { expect, it } from 'vitest';
import { eventually } from '../helpers/eventually.ts';
import { createPipeline } from '../helpers/pipeline.ts';
import { storeMode } from '../helpers/writer-mode.ts';

const ana = { tenantId: 'acme', userId: 'ana' };
const bo = { tenantId: 'acme', userId: 'bo' };

it('P10 a session that was saved before the present Redis period is not written, and stays; others are', async () => {
  const pipeline = await createPipeline({ partitions: 1 });
  const { save, row, startSync, redis, keyspace, scripts, pool } = pipeline;
  const schema = pipeline.settings.SESSION_DB_SCHEMA ?? '';
  await storeMode(pool, { schema, partitions: 1, mode: 'redis' });
  await pool.query(`UPDATE "${schema}".session_mode SET term = 3, period = 3`);
  const opened = await scripts.openPartition(0, { floor: '0', createGroup: true });
  if (opened.outcome === 'mismatch') expect.fail(opened.outcome);
  await save(ana, { n: 1 });
  const call = { mode: 'redis', term: '3', period: '3', floor: '0', epoch: opened.epoch } as const;
  expect(await scripts.install(0, call)).toMatchObject({ outcome: 'installed', dirtySessions: 1 });
  await save(bo, { n: 2 });
  const { redisUrl, databaseUrl, settings } = pipeline;
  const report = await syncToDB({ redis: redisUrl, database: databaseUrl, settings });
  expect(report).toMatchObject({ written: 1, skipped: 1, clean: 0 });
  expect(await row(bo)).toMatchObject({ state: { n: 2 } });

  const { consumer } = startSync();
  const problem = expect.stringContaining('partition 0: 1 session was saved before the writer mode');
  await eventually(() => expect(consumer.readiness).toEqual({ isReady: false, reason: problem }));
  expect(await row(ana)).toBeUndefined();
  expect(await redis.zrange(keyspace.dirty(0), '0', '-1')).toEqual([keyspace.locate(ana).key]);
  expect(await pipeline.countEvents()).toBe(1);
  // In this period it is carried like any other.
  await save(ana, { n: 3 });
  await eventually(async () => expect(await row(ana)).toMatchObject({ state: { n: 3 } }));
  await eventually(() => expect(consumer.readiness).toEqual({ isReady: true }));
});
