import { SYNC_GROUP } from '@cauce/protocol';
import { expect, it } from 'vitest';
import { createWorld, PARTITION } from './world.ts';

it('F21 a consumer with something pending keeps its name', async () => {
  const world = createWorld();
  await world.open();
  await world.save(world.session());
  await world.read('busy');
  expect(await world.scripts.forgetConsumer(PARTITION, { consumer: 'busy' })).toBe('pending');
  expect(await world.pending()).toBe(1);
});

it('F21 a consumer with nothing pending is forgotten, the others are not', async () => {
  const world = createWorld();
  const changes = world.keyspace.changes(PARTITION);
  await world.open();
  await world.save(world.session());
  await world.read('busy');
  for (const name of ['leaver', 'stayer'])
    await world.redis.xgroup('CREATECONSUMER', changes, SYNC_GROUP, name);
  expect(await world.scripts.forgetConsumer(PARTITION, { consumer: 'leaver' })).toBe('forgotten');
  const consumers = (await world.redis.xinfo('CONSUMERS', changes, SYNC_GROUP)) as string[][];
  expect(consumers.map((fields) => fields[1]).sort()).toEqual(['busy', 'stayer']);
  expect(await world.scripts.forgetConsumer(PARTITION, { consumer: 'leaver' })).toBe('absent');
  expect(await world.pending()).toBe(1);
});

it('a consumer is absent where there is no stream or no group', async () => {
  const world = createWorld();
  expect(await world.scripts.forgetConsumer(PARTITION, { consumer: 'c' })).toBe('absent');
  await world.save(world.session());
  expect(await world.scripts.forgetConsumer(PARTITION, { consumer: 'c' })).toBe('absent');
});
