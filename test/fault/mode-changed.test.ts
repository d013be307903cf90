import type { WriterMode } from '@cauce/protocol';
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { eventually } from '../helpers/eventually.ts';
import { createPipeline } from '../helpers/pipeline.ts';
import { sessionTexts } from '../helpers/session-hash.ts';

const ana = { tenantId: 'acme', userId: 'ana' };

test('P10 what was taken before the writer mode changed is not written; it stays pending, and is not parked', async () => {
  const pipeline = await createPipeline({ partitions: 1 });
  const { pool, queries, redis, keyspace, settings, save, row } = pipeline;
  const { SESSION_DB_SCHEMA: schema = '' } = settings;
  const changeTo = async (to: WriterMode): Promise<void> => {
    const [from] = await queries.readModes();
    await queries.changeMode(from as NonNullable<typeof from>, {
      ...{ to, beginsPeriod: false, floor: undefined, actor: 'a test' },
    });
  };
  await queries.startModes({ partitions: 1, mode: 'redis', actor: 'a test' });
  let takes = 0;
  const registry = new Registry();
  pipeline.startSync(
    {},
    {
      registry,
      onPhase: async (phase) => {
        if (phase !== 'taken' || takes++ > 0) return;
        await changeTo('to_direct');
        await changeTo('direct');
      },
    },
  );
  await save(ana, { step: 'late' });
  await eventually(async () =>
    expect(await registry.metrics()).toMatch(/cauce_synced_sessions_total\{outcome="fenced"\} [1-9]/),
  );
  expect(await row(ana)).toBeUndefined();
  expect((await pool.query(`SELECT FROM "${schema}".session_conflict`)).rowCount).toBe(0);
  expect(await redis.hlen(keyspace.parked(0))).toBe(0);
  expect(await sessionTexts(redis, keyspace.locate(ana).key)).toMatchObject({ dirty: '1' });
  expect(await pipeline.countEvents()).toBe(1);
});
