import { expect, it } from 'vitest';
import { snapshot } from './snapshot.ts';
import { cleanSession, createWorld, PARTITION } from './world.ts';

it('P4 a clean session is dirty again at the version it has, announced, pinned, and no longer confirmed', async () => {
  const world = createWorld();
  const session = world.session();
  await world.open();
  const version = await cleanSession(world, session);
  const before = await world.fields(session);
  expect(await world.scripts.resync(PARTITION, [session.key], { sinceVersion: '0' })).toEqual(['announced']);
  const [event] = await world.read();
  expect(await world.fields(session)).toEqual({ ...before, dirty: '1', event: event?.id, confirmedIn: '' });
  expect(await world.redis.pttl(session.key)).toBe(-1);
  expect(await world.redis.zscore(world.keyspace.dirty(PARTITION), session.key)).not.toBeNull();
  expect(await world.takeOne(session)).toMatchObject({ version, winsOver: '0' });
  expect(await world.settleOne(session, version, [event?.id ?? ''])).toBe('clean');
});

it('leaves alone what is on its way, what is older than asked for, and what is gone', async () => {
  const world = createWorld();
  const [old, dirty, gone] = [world.session('old'), world.session('dirty'), world.session('gone')];
  await world.open();
  const version = await cleanSession(world, old);
  await world.save(dirty);
  const before = await snapshot(world.redis, world.keyspace.keyPrefix);
  const sinceVersion = String(BigInt(version) + 1n);
  const keys = [old.key, dirty.key, gone.key];
  expect(await world.scripts.resync(PARTITION, keys, { sinceVersion })).toEqual(['older', 'dirty', 'gone']);
  expect(await snapshot(world.redis, world.keyspace.keyPrefix)).toEqual(before);
});

it('P8 twice makes one event', async () => {
  const world = createWorld();
  await world.open();
  await cleanSession(world, world.session());
  for (let time = 0; time < 2; time++) {
    await world.scripts.resync(PARTITION, [world.session().key], { sinceVersion: '0' });
  }
  expect(await world.announced()).toEqual([world.session().key]);
});
