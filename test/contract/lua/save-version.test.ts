import { compareVersions } from '@cauce/protocol';
import { expect, it } from 'vitest';
import { cleanSession, createWorld, missedSession, PARTITION, versionInOneHour } from './world.ts';

const plainDigits = /^[1-9]\d{15}$/;

it('P3 versions of a session strictly grow, and none is above the floor', async () => {
  const world = createWorld();
  await world.open();
  const last = new Map<string, string>();
  for (let i = 0; i < 300; i++) {
    const session = world.session(['ana', 'bo', 'cleo'][i % 3]);
    const version = await world.save(session);
    expect(compareVersions(version, last.get(session.key) ?? '0')).toBeGreaterThan(0);
    expect(compareVersions(version, (await world.floor()) ?? '0')).toBeLessThanOrEqual(0);
    last.set(session.key, version);
  }
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
  expect(Math.abs(Number(version) / 1000 - Date.now())).toBeLessThan(60_000);
});

it('P3 after the clock stepped back an hour versions go on from the last one, session by session', async () => {
  const world = createWorld();
  const future = versionInOneHour();
  await world.setFloor(future);
  expect(await world.save(world.session('ana'))).toBe(String(BigInt(future) + 1n));
  expect(await world.save(world.session('bo'))).toBe(String(BigInt(future) + 2n));
  expect(await world.save(world.session('ana'))).toBe(String(BigInt(future) + 3n));
});

it('P3 a session that left Redis after the clock stepped back is saved above its old version', async () => {
  const world = createWorld();
  const session = world.session();
  await world.open();
  await world.setFloor(versionInOneHour());
  const synced = await cleanSession(world, session);
  await world.redis.del(session.key);
  expect(compareVersions(await world.save(session), synced)).toBeGreaterThan(0);
});

it('P3 a session ahead of a lost version clock is saved above its own version', async () => {
  const world = createWorld();
  const session = world.session();
  await world.setFloor(versionInOneHour());
  const before = await world.save(session);
  await world.redis.hdel(world.keyspace.meta(PARTITION), 'floor');
  expect(await world.save(session)).toBe(String(BigInt(before) + 1n));
});

it('P3 a restored row with a version of the future raises the floor for the whole partition', async () => {
  const world = createWorld();
  const session = world.session();
  const future = versionInOneHour();
  const lease = await missedSession(world, session);
  await world.scripts.restore(session, {
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
    const { version: held, operations } = await world.fields(session);
    expect([version, held, operations?.split('=')[1], await world.floor()]).toEqual(
      Array(4).fill(expect.stringMatching(plainDigits)),
    );
    const taken = await world.takeOne(session);
    expect(taken).toMatchObject({ version });
    await world.settleOne(session, version);
    await world.scripts.reissue(session, { expectedVersion: version, isDirty: false, floor: '0' });
    const reissued = await world.fields(session);
    expect(reissued.version).toMatch(plainDigits);
    expect(compareVersions(reissued.version ?? '', version)).toBeGreaterThan(0);
  },
);

it('take tells the time in plain digits of microseconds', async () => {
  const { scripts } = createWorld();
  expect((await scripts.take(PARTITION, [])).takenAtUs).toMatch(plainDigits);
});
