import { compareVersions } from '@cauce/protocol';
import { expect, it } from 'vitest';
import { cleanSession, createWorld, PARTITION, versionInOneHour, type World } from './world.ts';

const SECOND_US = 1_000_000n;

async function opened(): Promise<World> {
  const world = createWorld();
  await world.open();
  return world;
}

async function clockUs({ redis }: World): Promise<bigint> {
  const [seconds = 0, us = 0] = await redis.time();
  return BigInt(seconds) * SECOND_US + BigInt(us);
}

async function floorOf(world: World): Promise<bigint> {
  return BigInt((await world.floor()) ?? '0');
}

/** As it is once the distance of a new epoch is used up. */
async function atTheClock(world: World): Promise<void> {
  await world.setFloor(String(await clockUs(world)));
}

/** As after a restart. */
async function restarted(world: World): Promise<void> {
  await world.redis.hset(world.keyspace.meta(PARTITION), 'server', 'another');
  await world.open();
}

it('P3 a session that left Redis is saved above every version it ever had, also one ahead of the clock', async () => {
  const world = await opened();
  const session = world.session();
  for (const ahead of ['0', versionInOneHour()]) {
    if (ahead !== '0') await world.setFloor(ahead);
    let highest = '0';
    for (let i = 0; i < 5; i++) highest = await world.save(session);
    const synced = await cleanSession(world, session);
    expect(compareVersions(synced, highest)).toBeGreaterThan(0);
    await world.redis.del(session.key);
    expect(compareVersions(await world.save(session), synced)).toBeGreaterThan(0);
  }
});

it('P3 a save that is given a later version than the clock never has a later one than the floor', async () => {
  const world = await opened();
  await atTheClock(world);
  const session = world.session();
  await world.save(session);
  // Its own version is far ahead, as if the clock had stepped back since.
  await world.rewrite(session, { version: versionInOneHour() });
  const version = await world.save(session);
  await world.redis.del(session.key);
  expect(compareVersions(await world.save(session), version)).toBeGreaterThan(0);
});

it('P3 while the floor is lost no save gets a version, and a consumer gives another floor', async () => {
  const world = await opened();
  const session = world.session();
  // The floor of a new epoch is seconds ahead of the clock.
  const version = await cleanSession(world, session);
  await world.redis.del(session.key);
  await world.redis.hdel(world.keyspace.meta(PARTITION), 'floor');
  await expect(world.trySave(session)).rejects.toMatchObject({ failure: { reason: 'BADFLOOR' } });
  await world.scripts.openPartition(PARTITION, { floor: version, createGroup: true });
  expect(compareVersions(await world.save(session), version)).toBeGreaterThan(0);
});

it('is reserved ahead: saves of a session that is here seldom write it', async () => {
  const world = await opened();
  await atTheClock(world);
  const session = world.session();
  const floors = new Set<string | null>();
  const startUs = await clockUs(world);
  for (let i = 0; i < 300; i++) {
    await world.save(session);
    floors.add(await world.floor());
  }
  const seconds = Number((await clockUs(world)) - startUs) / 1e6;
  expect(floors.size).toBeLessThanOrEqual(seconds + 2);
});

it('does not run away from the clock, however many sessions are saved that are absent', async () => {
  const world = await opened();
  await atTheClock(world);
  const saves = Array.from({ length: 500 }, (_, i) => world.session(`user${i}`));
  for (let round = 0; round < 20; round++) {
    const calls = saves.map((session) => ({ session, state: '1', isTombstone: false, opId: `op${round}` }));
    const replies = await world.scripts.save(calls, { maxBytes: 10 });
    expect(replies.every(({ outcome }) => outcome === 'saved')).toBe(true);
    await world.redis.del(...saves.map(({ key }) => key));
  }
  expect((await floorOf(world)) - (await clockUs(world))).toBeLessThan(2n * SECOND_US);
});

it('P3 lost with meta, it is raised above what was issued by the next one who opens the partition', async () => {
  const world = await opened();
  await atTheClock(world);
  const version = await world.save(world.session());
  await world.redis.del(world.keyspace.meta(PARTITION), world.session().key);
  await world.open();
  expect(await floorOf(world)).toBeGreaterThan(BigInt(version));
  expect(compareVersions(await world.save(world.session()), version)).toBeGreaterThan(0);
});

it('P3 a session of an earlier epoch counts on from the floor: Redis may have gone back past its versions', async () => {
  const world = await opened();
  await atTheClock(world);
  await world.save(world.session());
  await restarted(world);
  // Not far ahead any more: the distance of the new epoch is used up.
  const floor = (await clockUs(world)) + 900_000n;
  await world.setFloor(String(floor));
  expect(BigInt(await world.save(world.session()))).toBe(floor + 1n);
});

it('P3 a session that was restored from a row counts on from the floor: it left Redis at a version nobody knows', async () => {
  const world = await opened();
  await atTheClock(world);
  const session = world.session();
  const floor = (await clockUs(world)) + 900_000n;
  await world.setFloor(String(floor));
  await world.rewrite(session, { version: '7' });
  expect(BigInt(await world.save(session))).toBe(floor + 1n);
});

it('P6 all sessions count on from a floor that a row raised above what is reserved', async () => {
  const world = await opened();
  await world.save(world.session());
  const row = versionInOneHour();
  await world.setFloor(row);
  expect(await world.save(world.session())).toBe(String(BigInt(row) + 1n));
});
