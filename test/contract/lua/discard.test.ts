import { compareVersions } from '@cauce/protocol';
import { expect, it } from 'vitest';
import { snapshot } from './snapshot.ts';
import { createWorld, PARTITION, parkedSession } from './world.ts';

it('a parked session is given up with its event, its record and its place in the index', async () => {
  const world = createWorld();
  const session = world.session();
  await world.open();
  const version = await parkedSession(world, session, Date.now() - 1);
  await world.scripts.sweep(PARTITION, [session.key]);
  await world.read();
  expect(await world.scripts.discard(session, { version })).toBe('discarded');
  expect(
    await world.redis.exists(session.key, world.keyspace.parked(PARTITION), world.keyspace.dirty(PARTITION)),
  ).toBe(0);
  expect([await world.announced(), await world.pending()]).toEqual([[], 0]);
});

it('P9 a session saved since somebody decided to discard it is kept', async () => {
  const world = createWorld();
  const session = world.session();
  await world.open();
  const version = await parkedSession(world, session);
  await world.save(session);
  const before = await snapshot(world.redis, world.keyspace.keyPrefix);
  expect(await world.scripts.discard(session, { version })).toBe('superseded');
  expect(await snapshot(world.redis, world.keyspace.keyPrefix)).toEqual(before);
});

it.each(['dirty', 'absent'])('a session that is %s and not parked is not discarded', async (how) => {
  const world = createWorld();
  const session = world.session();
  const version = how === 'dirty' ? await world.save(session) : '1763830000123000';
  const before = await snapshot(world.redis, world.keyspace.keyPrefix);
  expect(await world.scripts.discard(session, { version })).toBe('gone');
  expect(await snapshot(world.redis, world.keyspace.keyPrefix)).toEqual(before);
});

it('the record of a session that vanished can be discarded', async () => {
  const world = createWorld();
  const session = world.session();
  await world.open();
  const version = await parkedSession(world, session);
  await world.redis.del(session.key);
  expect(await world.scripts.discard(session, { version })).toBe('discarded');
  expect(await world.redis.exists(world.keyspace.parked(PARTITION), world.keyspace.dirty(PARTITION))).toBe(0);
});

it('P3 a session saved after it was discarded has a version above the discarded one', async () => {
  const world = createWorld();
  const session = world.session();
  await world.open();
  const version = await parkedSession(world, session);
  await world.scripts.discard(session, { version });
  expect(compareVersions(await world.save(session), version)).toBeGreaterThan(0);
});

it('P9 neighbours of a discarded session keep theirs', async () => {
  const world = createWorld();
  await world.open();
  const version = await parkedSession(world, world.session('ana'));
  await parkedSession(world, world.session('bo'));
  await world.save(world.session('cleo'));
  await world.scripts.discard(world.session('ana'), { version });
  expect(await world.redis.hkeys(world.keyspace.parked(PARTITION))).toEqual([world.session('bo').key]);
  expect(await world.announced()).toEqual([world.session('cleo').key]);
  expect(await world.redis.zcard(world.keyspace.dirty(PARTITION))).toBe(2);
});
