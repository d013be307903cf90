import { compareVersions } from '@cauce/protocol';
import { expect, it } from 'vitest';
import { cleanSession, createWorld, missedSession, PARTITION, versionInOneHour } from './world.ts';

const plainDigits = /^[1-9]\d{15}$/;

it('P3 versions of one partition strictly grow, whichever session is saved', async () => {
  const world = createWorld();
  const sessions = ['ana', 'bo', 'cleo'].map((user) => world.session(user));
  let last = '0';
  for (let i = 0; i < 300; i++) {
    const version = await world.save(sessions[i % 3] ?? expect.fail());
    expect(compareVersions(version, last)).toBeGreaterThan(0);
    last = version;
  }
  expect(await world.redis.get(world.keyspace.hlc(PARTITION))).toBe(last);
});

it('P3 saves sent at the same time get distinct versions', async () => {
  const world = createWorld();
  const session = world.session();
  const versions = await Promise.all(Array.from({ length: 200 }, () => world.save(session)));
  expect(new Set(versions).size).toBe(200);
});

it('P3 a version is the microsecond of the save when the clock runs ahead of every version', async () => {
  const world = createWorld();
  const version = await world.save(world.session());
  expect(Math.abs(Number(version) / 1000 - Date.now())).toBeLessThan(5000);
});

it('P3 after the clock stepped back an hour versions go on from the last one, session by session', async () => {
  const world = createWorld();
  const future = versionInOneHour();
  await world.redis.set(world.keyspace.hlc(PARTITION), future);
  expect(await world.save(world.session('ana'))).toBe(String(BigInt(future) + 1n));
  expect(await world.save(world.session('bo'))).toBe(String(BigInt(future) + 2n));
  expect(await world.save(world.session('ana'))).toBe(String(BigInt(future) + 3n));
});

it('P3 a session that left Redis after the clock stepped back is saved above its old version', async () => {
  const world = createWorld();
  const session = world.session();
  await world.open();
  await world.redis.set(world.keyspace.hlc(PARTITION), versionInOneHour());
  const synced = await cleanSession(world, session);
  await world.redis.del(session.key);
  expect(compareVersions(await world.save(session), synced)).toBeGreaterThan(0);
});

it('P3 a session ahead of a lost version clock is saved above its own version', async () => {
  const world = createWorld();
  const session = world.session();
  await world.redis.set(world.keyspace.hlc(PARTITION), versionInOneHour());
  const before = await world.save(session);
  await world.redis.del(world.keyspace.hlc(PARTITION));
  expect(await world.save(session)).toBe(String(BigInt(before) + 1n));
});

it('P3 a restored row with a version of the future raises the floor for the whole partition', async () => {
  const world = createWorld();
  const session = world.session();
  const future = versionInOneHour();
  const lease = await missedSession(world, session);
  await world.scripts.hydrate(session, {
    lease,
    state: '{}',
    version: future,
    isTombstone: false,
    ttlMs: 10_000,
  });
  expect(await world.save(world.session('bo'))).toBe(String(BigInt(future) + 1n));
});

it.each(['0', '1', '1763830000123500', '1763839999999999'])(
  'P3 versions above floor %s are plain digits in every place they are kept',
  async (floor) => {
    const world = createWorld();
    const session = world.session();
    await world.scripts.openPartition(PARTITION, { floor, createGroup: true });
    const version = await world.save(session);
    const { v, o } = await world.fields(session);
    expect([version, v, o?.split('=')[1], await world.redis.get(world.keyspace.hlc(PARTITION))]).toEqual(
      Array(4).fill(expect.stringMatching(plainDigits)),
    );
    const taken = await world.takeOne(session);
    expect(taken).toMatchObject({ version });
    await world.settleOne(session, version);
    await world.scripts.reissue(session, { expectedVersion: version, isDirty: false, floor: '0' });
    const reissued = await world.fields(session);
    expect(reissued.v).toMatch(plainDigits);
    expect(compareVersions(reissued.v ?? '', version)).toBeGreaterThan(0);
  },
);

it('take tells the time in plain digits of microseconds', async () => {
  const { scripts } = createWorld();
  expect((await scripts.take(PARTITION, [])).takenAtUs).toMatch(plainDigits);
});
