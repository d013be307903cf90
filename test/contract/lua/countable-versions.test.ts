import {
  compareVersions,
  InvalidOptionError,
  MAX_VERSION,
  SESSION_HASH,
  type StoredSession,
} from '@cauce/protocol';
import { expect, it } from 'vitest';
import { snapshot } from './snapshot.ts';
import { cleanSession, createWorld, PARTITION, TTL_MS, type World } from './world.ts';

/** None of them can be counted on from: a number of Lua is exact up to 2^53. */
const uncountable = [
  'inf',
  'nan',
  '1e300',
  '1e15',
  'abc',
  '',
  '-5',
  '1.5',
  '0x10',
  ' 7',
  MAX_VERSION,
  '9007199254740992',
  '1763830000123456789',
];
const foreign = [
  'inf',
  'nan',
  '1e300',
  'abc',
  '',
  '-5',
  '1.5',
  '007',
  '4503599627370496',
  '1763830000123456789',
];

async function refusedSave(world: World, userId = 'ana'): Promise<unknown> {
  return world.trySave(world.session(userId)).catch((error: unknown) => error);
}

it.each(uncountable)('P3 a floor of "%s" refuses saves, and nothing is written', async (text) => {
  const world = createWorld();
  await world.open();
  await world.save(world.session('bo'));
  await world.setFloor(text);
  const before = await snapshot(world.redis, world.keyspace.keyPrefix);
  expect(await refusedSave(world)).toMatchObject({
    failure: { effect: 'refused', retryable: true, reason: 'BADFLOOR' },
    message: expect.stringMatching(/:meta .*nothing was saved.*sync consumer/),
  });
  expect(await refusedSave(world, 'bo')).toMatchObject({ failure: { reason: 'BADFLOOR' } });
  expect(await snapshot(world.redis, world.keyspace.keyPrefix)).toEqual(before);
});

it.each(uncountable)('P3 a floor of "%s" is set right by a floor, as the error says', async (text) => {
  const world = createWorld();
  const { scripts, redis, keyspace } = world;
  const floor = '2763830000123456';
  await scripts.openPartition(PARTITION, { floor: '5', createGroup: true });
  const before = await world.save(world.session());
  await world.setFloor(text);
  // What a bot does changes nothing of it.
  expect(await scripts.openPartition(PARTITION, { floor: '0', createGroup: false })).toMatchObject({
    isSeeded: false,
  });
  expect(await world.floor()).toBe(text);
  expect(await scripts.openPartition(PARTITION, { floor, createGroup: true })).toMatchObject({
    isSeeded: true,
  });
  expect(await redis.hget(keyspace.meta(PARTITION), 'seeded')).toBe('5');
  const after = await world.save(world.session());
  expect(after).toBe(String(BigInt(floor) + 1n));
  expect(compareVersions(after, before)).toBeGreaterThan(0);
});

it('P3 a floor that was deleted asks for a floor', async () => {
  const world = createWorld();
  await world.scripts.openPartition(PARTITION, { floor: '5', createGroup: true });
  await world.redis.hdel(world.keyspace.meta(PARTITION), 'floor');
  expect(await world.scripts.openPartition(PARTITION, { floor: '0', createGroup: true })).toMatchObject({
    isSeeded: false,
  });
});

it('P3 the last version is issued once', async () => {
  const world = createWorld();
  await world.setFloor(String(BigInt(MAX_VERSION) - 1n));
  expect(await world.save(world.session('ana'))).toBe(MAX_VERSION);
  expect(await refusedSave(world)).toMatchObject({ failure: { reason: 'BADFLOOR' } });
});

it('a repetition of a save is answered, whatever the floor is', async () => {
  const world = createWorld();
  const reply = await world.trySave(world.session(), { opId: 'first' });
  await world.setFloor('inf');
  expect(await world.trySave(world.session(), { opId: 'first' })).toEqual({ ...reply, outcome: 'replayed' });
});

it.each(['inf', '1e300', 'abc', '9007199254740992', '5 1 0 9', '1\nsaved 5'])(
  'a session at version %j is saved over, at a version that counts',
  async (version) => {
    const world = createWorld();
    const session = world.session();
    await world.save(session);
    await world.rewrite(session, { version });
    expect(await world.trySave(session, { ifVersion: '7' })).toEqual({ outcome: 'conflict', version: '0' });
    expect(await world.save(session)).toMatch(/^\d{16}$/);
  },
);

const entries: Record<string, (world: World, version: string) => Promise<unknown>> = {
  restore: ({ scripts, session }, version) =>
    scripts.restore(session('bo'), { lease: '7:t', ...row(version), ttlMs: TTL_MS }),
  adopt: ({ scripts, session }, version) =>
    scripts.adopt(session(), { losingVersion: '5', ...row(version), ttlMs: TTL_MS }),
  'the losing side of adopt': ({ scripts, session }, version) =>
    scripts.adopt(session(), { ...row('5'), losingVersion: version, ttlMs: TTL_MS }),
  confirm: ({ scripts, session }, version) =>
    scripts.confirm(session(), { version: '5', epoch: '1', row: row(version), ttlMs: TTL_MS }),
  reissue: ({ scripts, session }, version) =>
    scripts.reissue(session(), { expectedVersion: '5', isDirty: false, floor: version }),
  'the floor of a partition': ({ scripts }, version) =>
    scripts.openPartition(PARTITION, { floor: version, createGroup: true }),
  resync: ({ scripts, session }, version) =>
    scripts.resync(PARTITION, [session().key], { sinceVersion: version }),
};

function row(version: string): StoredSession {
  return { state: '{}', version, isTombstone: false };
}

it.each(Object.keys(entries).flatMap((entry) => foreign.map((version) => [entry, version] as const)))(
  'P3 %s refuses version "%s", and nothing is sent',
  async (entry, version) => {
    const world = createWorld();
    await world.open();
    await cleanSession(world, world.session());
    const before = await snapshot(world.redis, world.keyspace.keyPrefix);
    await expect(entries[entry]?.(world, version)).rejects.toThrow(InvalidOptionError);
    expect(await snapshot(world.redis, world.keyspace.keyPrefix)).toEqual(before);
  },
);

it.each(uncountable.filter((text) => text !== MAX_VERSION))(
  'with a floor of "%s" rows are restored and adopted, and no session gets a new version',
  async (text) => {
    const world = createWorld();
    const { scripts, session } = world;
    await world.open();
    const version = await cleanSession(world, session());
    const reply = await scripts.lease(session('bo'), { token: 't', leaseTtlMs: TTL_MS });
    const { lease } = reply.outcome === 'miss' ? reply : expect.fail(reply.outcome);
    await world.setFloor(text);
    const newer = { ...row('2763830000123456'), ttlMs: TTL_MS };
    expect(await scripts.restore(session('bo'), { lease, ...newer })).toBe('restored');
    expect(await scripts.adopt(session(), { losingVersion: version, ...newer })).toBe('adopted');
    const call = { expectedVersion: newer.version, isDirty: false, floor: '0' };
    await expect(scripts.reissue(session(), call)).rejects.toMatchObject({
      failure: { reason: 'BADFLOOR' },
    });
    expect(await world.floor()).toBe(text);
  },
);

const lastVersions = [MAX_VERSION, String(BigInt(MAX_VERSION) - 1n), String(BigInt(MAX_VERSION) - 5n)];

it.each(
  ['restore', 'adopt', 'confirm', 'reissue', 'the floor of a partition'].flatMap((entry) =>
    lastVersions.map((version) => [entry, version] as const),
  ),
)(
  'P9 %s with version %s, at the end of what counts, leaves the others of the partition room',
  async (entry, version) => {
    const world = createWorld();
    await world.open();
    const session = world.session();
    await cleanSession(world, session);
    const epoch = (await world.redis.hget(world.keyspace.meta(PARTITION), 'epoch')) ?? '';
    await world.rewrite(session, { version: '5', savedIn: '1', confirmedIn: '' });
    await world.redis.hset(world.session('bo').key, SESSION_HASH.lease, '7:t');
    if (entry === 'confirm') {
      await world.scripts.confirm(session, { version: '5', epoch, row: row(version), ttlMs: TTL_MS });
    } else await entries[entry]?.(world, version).catch(() => {});
    for (let i = 0; i < 10; i++) await world.save(world.session('bo'));
    for (let i = 0; i < 10; i++) await world.save(session);
    expect(await world.save(world.session('cal'))).toMatch(/^\d{16}$/);
  },
);
