import type { Lease } from '@cauce/protocol';
import { expect, it } from 'vitest';
import { snapshot } from './snapshot.ts';
import {
  cleanSession,
  createWorld,
  missedSession,
  PARTITION,
  TTL_MS,
  textsOfRow,
  versionInOneHour,
  type World,
} from './world.ts';

const row = {
  state: '{"from":"postgres"}',
  version: '1763830000123456',
  isTombstone: false,
  ttlMs: TTL_MS,
};

async function missed(world: World, token = 'mine'): Promise<Lease> {
  return missedSession(world, world.session(), token);
}

it('P5 the holder of the lease puts the row in as a clean session with a TTL, and the lease is gone', async () => {
  const world = createWorld();
  const session = world.session();
  await world.redis.hset(world.keyspace.meta(PARTITION), 'epoch', '7');
  const lease = await missed(world);
  expect(await world.scripts.restore(session, { lease, ...row })).toBe('restored');
  expect(await world.fields(session)).toEqual({ ...textsOfRow(row), confirmedIn: '7' });
  const ttl = await world.redis.pttl(session.key);
  expect(ttl).toBeGreaterThan(TTL_MS - 5000);
  expect(ttl).toBeLessThanOrEqual(TTL_MS);
  expect(await world.leaseOf(session)).toBeNull();
  expect(await world.announced()).toEqual([]);
  expect(await world.redis.zcard(world.keyspace.dirty(PARTITION))).toBe(0);
});

it('P3 a tombstone is restored as a tombstone', async () => {
  const world = createWorld();
  const lease = await missed(world);
  await world.scripts.restore(world.session(), { lease, ...row, state: '', isTombstone: true });
  expect(await world.fields(world.session())).toMatchObject({ state: '', tombstone: '1', dirty: '0' });
});

it('P5 a row read before a save is not put in over it', async () => {
  const world = createWorld();
  const session = world.session();
  const lease = await missed(world);
  await world.save(session);
  const before = await snapshot(world.redis, world.keyspace.keyPrefix);
  expect(await world.scripts.restore(session, { lease, ...row })).toBe('present');
  expect(await snapshot(world.redis, world.keyspace.keyPrefix)).toEqual(before);
});

it('P5 a row read before a delete does not bring the session back, even when its tombstone was settled and left', async () => {
  const world = createWorld();
  const session = world.session();
  await world.open();
  const lease = await missed(world);
  await world.trySave(session, { state: '', isTombstone: true });
  const { version } = await world.fields(session);
  await world.settleOne(session, version);
  await world.redis.del(session.key);
  expect(await world.scripts.restore(session, { lease, ...row })).toBe('refused');
  expect(await world.redis.exists(session.key)).toBe(0);
});

it('P5 an older miss cannot use the lease of a newer one', async () => {
  const world = createWorld();
  const session = world.session();
  await world.open();
  const older = await missed(world, 'older');
  await cleanSession(world, session);
  await world.redis.del(session.key);
  const newer = await missed(world, 'newer');
  expect(await world.scripts.restore(session, { lease: older, ...row })).toBe('refused');
  expect(await world.scripts.restore(session, { lease: newer, ...row })).toBe('restored');
});

it('P5 an expired lease is refused and nothing is left behind', async () => {
  const world = createWorld();
  expect(await world.scripts.restore(world.session(), { lease: ':mine', ...row })).toBe('refused');
  expect(await snapshot(world.redis, world.keyspace.keyPrefix)).toEqual({});
});

it('of two loads that share a lease the second finds the session present', async () => {
  const world = createWorld();
  const lease = await missed(world);
  await world.scripts.restore(world.session(), { lease, ...row });
  expect(await world.scripts.restore(world.session(), { lease, ...row })).toBe('present');
});

it('P3 the version floor is raised by a newer row and never lowered by an older one', async () => {
  const world = createWorld();
  const future = versionInOneHour();
  const lease = await missed(world);
  await world.scripts.restore(world.session(), { lease, ...row, version: future });
  expect(await world.floor()).toBe(future);
  await world.redis.del(world.session().key);
  await world.scripts.restore(world.session(), { lease: await missed(world), ...row });
  expect(await world.floor()).toBe(future);
});

it('a jittered TTL with a fraction still gives the session a TTL', async () => {
  const world = createWorld();
  const lease = await missed(world);
  expect(await world.scripts.restore(world.session(), { lease, ...row, ttlMs: 59_999.75 })).toBe('restored');
  expect(await world.redis.pttl(world.session().key)).toBeGreaterThan(0);
});

it('a hash with neither state nor header is a miss for lease and is filled by restore', async () => {
  const world = createWorld();
  const session = world.session();
  await world.redis.hset(session.key, 'd', '0');
  const lease = await missed(world);
  expect(await world.scripts.restore(session, { lease, ...row })).toBe('restored');
  expect(await world.fields(session)).toEqual(textsOfRow(row));
});
