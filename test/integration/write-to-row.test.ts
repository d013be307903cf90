import { expect, test } from 'vitest';
import { eventually } from '../helpers/eventually.ts';
import { createPipeline } from '../helpers/pipeline.ts';

const ana = { tenantId: 'acme', userId: 'ana' };

test('a save arrives in PostgreSQL with its version, and the session becomes clean with a TTL (P2, P4)', async () => {
  const pipeline = await createPipeline();
  const version = await pipeline.save(ana, { step: 'pay', cart: ['tea'] });
  pipeline.startSync();

  await eventually(async () => {
    expect(await pipeline.row(ana)).toEqual({ state: { step: 'pay', cart: ['tea'] }, version });
    expect(await pipeline.countDirty()).toBe(0);
    expect(await pipeline.countEvents()).toBe(0);
  });
  const ttlMs = await pipeline.redis.pttl(pipeline.keyspace.locate(ana).key);
  expect(ttlMs).toBeGreaterThan(3_590_000);
});

test('a delete leaves a tombstone row with the version of the delete (P3)', async () => {
  const pipeline = await createPipeline();
  pipeline.startSync();
  await pipeline.save(ana, { step: 1 });
  await eventually(async () => expect(await pipeline.row(ana)).toBeDefined());

  const version = await pipeline.clear(ana);
  await eventually(async () => expect(await pipeline.row(ana)).toEqual({ state: null, version }));
});

test('only the newest of many saves travels', async () => {
  const pipeline = await createPipeline();
  let version = '';
  for (let step = 0; step < 100; step++) version = await pipeline.save(ana, { step });
  expect(await pipeline.countEvents()).toBe(1);

  const sync = pipeline.startSync();
  await eventually(async () => expect(await pipeline.row(ana)).toEqual({ state: { step: 99 }, version }));
  await eventually(async () => expect(await pipeline.countDirty()).toBe(0));
  await sync.stop();
});
