import { compareVersions } from '@cauce/protocol';
import { expect, it } from 'vitest';
import { snapshot } from './snapshot.ts';
import {
  cleanSession,
  createWorld,
  HOUR_US,
  PARTITION,
  parkedSession,
  TTL_MS,
  textsOfRow,
  versionInOneHour,
} from './world.ts';

const row = { state: '{"from":"postgres"}', isTombstone: false, ttlMs: TTL_MS };

it('P6 the newer row of PostgreSQL replaces the losing session, which is clean then and not announced', async () => {
  const world = createWorld();
  const session = world.session();
  await world.open();
  const losingVersion = await world.save(session);
  await world.read();
  const version = versionInOneHour();
  expect(await world.scripts.adopt(session, { losingVersion, version, ...row })).toBe('adopted');
  expect(await world.fields(session)).toEqual(textsOfRow({ state: row.state, version }));
  expect(await world.redis.pttl(session.key)).toBeGreaterThan(TTL_MS - 5000);
  expect(await world.redis.zcard(world.keyspace.dirty(PARTITION))).toBe(0);
  expect([await world.announced(), await world.pending()]).toEqual([[], 0]);
});

it('P3 P6 a tombstone of PostgreSQL is adopted as a tombstone', async () => {
  const world = createWorld();
  const losingVersion = await world.save(world.session());
  const version = versionInOneHour();
  await world.scripts.adopt(world.session(), {
    losingVersion,
    version,
    ...row,
    state: '',
    isTombstone: true,
  });
  expect(await world.fields(world.session())).toMatchObject({
    state: '',
    tombstone: '1',
    dirty: '0',
    version: version,
  });
});

it.each([
  ['an hour', HOUR_US],
  ['half a second', 500_000n],
])(
  'P6 a session saved since is left alone, and its next save passes a row that is %s ahead',
  async (_, aheadUs) => {
    const world = createWorld();
    const session = world.session();
    await world.open();
    // The floor of a new server is further ahead than this row.
    await world.setFloor('1');
    const losingVersion = await world.save(session);
    await world.save(session);
    const before = await snapshot(world.redis, world.keyspace.keyPrefix);
    const version = String(BigInt(Date.now()) * 1000n + aheadUs);
    expect(await world.scripts.adopt(session, { losingVersion, version, ...row })).toBe('superseded');
    const meta = world.keyspace.meta(PARTITION);
    const floor = String(BigInt(version) + 1_000_000n);
    expect(await snapshot(world.redis, world.keyspace.keyPrefix)).toEqual({
      ...before,
      [meta]: { ...before[meta], content: { ...(before[meta]?.content as object), floor } },
    });
    expect(compareVersions(await world.save(session), version)).toBeGreaterThan(0);
  },
);

it('P3 a row that was adopted and left Redis is passed by the next save', async () => {
  const world = createWorld();
  const session = world.session();
  const losingVersion = await world.save(session);
  const version = versionInOneHour();
  await world.scripts.adopt(session, { losingVersion, version, ...row });
  await world.redis.del(session.key);
  expect(compareVersions(await world.save(session), version)).toBeGreaterThan(0);
});

it('P3 an older row does not lower the version floor', async () => {
  const world = createWorld();
  const losingVersion = await world.save(world.session());
  const before = await world.floor();
  await world.scripts.adopt(world.session(), { losingVersion, version: '1763830000123000', ...row });
  expect(await world.floor()).toBe(before);
});

it('F19 a session that vanished is not created', async () => {
  const world = createWorld();
  const call = { losingVersion: '1763830000123000', version: versionInOneHour(), ...row };
  expect(await world.scripts.adopt(world.session(), call)).toBe('superseded');
  expect(await world.redis.exists(world.session().key)).toBe(0);
});

it('P9 an adopted session is no longer parked, its neighbour is', async () => {
  const world = createWorld();
  await world.open();
  const losingVersion = await parkedSession(world, world.session('ana'));
  await parkedSession(world, world.session('bo'));
  await world.scripts.adopt(world.session('ana'), { losingVersion, version: versionInOneHour(), ...row });
  expect(await world.redis.hkeys(world.keyspace.parked(PARTITION))).toEqual([world.session('bo').key]);
});

it('a TTL with a fraction still becomes a TTL', async () => {
  const world = createWorld();
  const losingVersion = await world.save(world.session());
  await world.scripts.adopt(world.session(), {
    losingVersion,
    version: versionInOneHour(),
    ...row,
    ttlMs: 999.5,
  });
  expect(await world.redis.pttl(world.session().key)).toBeGreaterThan(0);
});

it('P4 the event of another session is left alone', async () => {
  const world = createWorld();
  await world.open();
  await cleanSession(world, world.session('cleo'));
  const losingVersion = await world.save(world.session('ana'));
  await world.save(world.session('bo'));
  await world.read();
  await world.scripts.adopt(world.session('ana'), { losingVersion, version: versionInOneHour(), ...row });
  expect(await world.announced()).toEqual([world.session('bo').key]);
  expect(await world.pending()).toBe(1);
});
