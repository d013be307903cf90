import { compareVersions, RedisError } from '@cauce/protocol';
import { expect, it } from 'vitest';
import { snapshot } from './snapshot.ts';
import { createWorld, PARTITION, versionInOneHour, type World } from './world.ts';

const MINUTE_MS = 60_000;

async function openedEpoch(world: World): Promise<string> {
  const reply = await world.scripts.openPartition(PARTITION, { floor: '0', createGroup: true });
  return reply.outcome === 'mismatch' ? expect.fail(reply.outcome) : reply.epoch;
}

/** As a server that was restarted or promoted finds it: opened on another one. */
async function openedElsewhere(world: World): Promise<void> {
  await world.redis.hset(world.keyspace.meta(PARTITION), 'server', 'another server');
}

it('an epoch lasts as long as the server does', async () => {
  const world = createWorld();
  const epoch = await openedEpoch(world);
  expect(await openedEpoch(world)).toBe(epoch);
});

it('P3 on another server a new epoch begins, and no version is issued that may have been issued and lost', async () => {
  const world = createWorld();
  const epoch = await openedEpoch(world);
  const version = await world.save(world.session());
  await openedElsewhere(world);
  const next = await openedEpoch(world);
  expect(Number(next)).toBeGreaterThan(Number(epoch));
  expect(BigInt(await world.save(world.session())) - BigInt(version)).toBeGreaterThan(10_000_000n);
});

it('P3 versions pass a clock that was ahead with the same distance, and more on the later of two servers', async () => {
  const world = createWorld();
  await openedEpoch(world);
  const ahead = versionInOneHour();
  const issued: bigint[] = [];
  // The second server never heard of the first one's versions.
  for (let server = 0; server < 2; server++) {
    await world.redis.del(world.session().key);
    await world.setFloor(ahead);
    await openedElsewhere(world);
    await openedEpoch(world);
    issued.push(BigInt(await world.save(world.session())) - BigInt(ahead));
  }
  const [first = 0n, second = 0n] = issued;
  expect(first).toBeGreaterThan(10_000_000n);
  // Once an hour it begins again.
  expect(second).not.toBe(first);
  for (const distanceUs of issued) expect(distanceUs).toBeLessThanOrEqual(29_000_001n);
});

it('epochs pass a clock that is behind, and of two servers that know of the same one each has its own', async () => {
  const world = createWorld();
  await openedEpoch(world);
  const meta = world.keyspace.meta(PARTITION);
  const aheadMs = Date.now() + 3_600_000;
  const begun: number[] = [];
  for (let server = 0; server < 2; server++) {
    await world.redis.hset(meta, 'epoch', aheadMs);
    await openedElsewhere(world);
    begun.push(Number(await openedEpoch(world)) - aheadMs);
    // The next one begins in another millisecond.
    for (const sinceMs = Date.now(); Date.now() <= sinceMs + 1; ) await world.redis.ping();
  }
  const [first = 0, second = 0] = begun;
  expect(first).not.toBe(second);
  for (const distanceMs of begun) {
    expect(distanceMs).toBeGreaterThan(0);
    expect(distanceMs).toBeLessThanOrEqual(3_600_000);
  }
});

it('a minute after it a second epoch begins, for what was still under way; then none', async () => {
  const world = createWorld();
  await openedEpoch(world);
  const meta = world.keyspace.meta(PARTITION);
  await world.redis.hset(meta, 'epoch', '1');
  await openedElsewhere(world);
  const second = await openedEpoch(world);
  const endsAtMs = Number(await world.redis.hget(meta, 'epochEndsAtMs'));
  expect(endsAtMs - Number(second)).toBe(MINUTE_MS);
  expect(await openedEpoch(world)).toBe(second);
  await world.redis.hset(meta, 'epochEndsAtMs', endsAtMs - MINUTE_MS - 1);
  const third = await openedEpoch(world);
  expect(Number(third)).toBeGreaterThan(Number(second));
  expect(await openedEpoch(world)).toBe(third);
});

it('the second epoch does not wait for a clock that was stepped back', async () => {
  const world = createWorld();
  await openedEpoch(world);
  await openedElsewhere(world);
  const second = await openedEpoch(world);
  const inAnHourMs = Date.now() + 3_600_000;
  await world.redis.hset(world.keyspace.meta(PARTITION), 'epochEndsAtMs', inAnHourMs);
  expect(await openedEpoch(world)).not.toBe(second);
});

it('a save says in which epoch it was made', async () => {
  const world = createWorld();
  const epoch = await openedEpoch(world);
  await world.save(world.session());
  expect(await world.fields(world.session())).toMatchObject({ savedIn: epoch });
});

/** What a consumer does that finds a Redis without a floor. */
async function seed(world: World, floor: string): Promise<void> {
  await world.scripts.openPartition(PARTITION, { floor, createGroup: true });
}

it('take tells which rows a session wins over: those there were when Redis had lost everything, if it was saved since', async () => {
  const world = createWorld();
  const floor = versionInOneHour();
  await seed(world, floor);
  await world.save(world.session('since'));
  expect(await world.takeOne(world.session('since'))).toMatchObject({ winsOver: floor });
  // Another partition may need a floor later; it is given to all.
  await seed(world, String(BigInt(floor) + 1n));
  expect(await world.takeOne(world.session('since'))).toMatchObject({ winsOver: floor });
  // Restarted: what is there may be what Redis went back to.
  await openedElsewhere(world);
  await openedEpoch(world);
  expect(await world.takeOne(world.session('since'))).toMatchObject({ winsOver: '0' });
  // In the second epoch on a server, what was saved in the first one counts as saved since.
  await world.save(world.session('later'));
  await world.redis.hset(world.keyspace.meta(PARTITION), 'epochEndsAtMs', '1');
  await openedEpoch(world);
  expect(await world.takeOne(world.session('later'))).toMatchObject({ winsOver: floor });
});

it('P3 after Redis lost everything, versions keep their distance too, and a second epoch follows', async () => {
  const world = createWorld();
  const beforeUs = BigInt(Date.now()) * 1000n;
  await openedEpoch(world);
  expect(BigInt(await world.save(world.session())) - beforeUs).toBeGreaterThan(9_000_000n);
  expect(await world.redis.hexists(world.keyspace.meta(PARTITION), 'epochEndsAtMs')).toBe(1);
});

it.each(['before', 'in', 'confirmed in'])(
  'P6 compare-and-set over a session that was saved %s the present epoch, loaded nobody knows when',
  async (when) => {
    const world = createWorld();
    await openedEpoch(world);
    if (when === 'in') await openedElsewhere(world).then(() => openedEpoch(world));
    const ifVersion = await world.save(world.session());
    if (when !== 'in') await openedElsewhere(world);
    const epoch = await openedEpoch(world);
    if (when === 'confirmed in') {
      const call = { version: ifVersion, epoch, row: undefined, ttlMs: 1000 };
      await world.scripts.confirm(world.session(), call);
    }
    const reply = await world.trySave(world.session(), { ifVersion });
    expect(reply).toMatchObject(
      when === 'before' ? { outcome: 'conflict', version: ifVersion } : { outcome: 'saved' },
    );
  },
);

it('P6 compare-and-set over a session of an earlier epoch needs one that was loaded in the present one', async () => {
  const world = createWorld();
  const earlier = await openedEpoch(world);
  const ifVersion = await world.save(world.session());
  await openedElsewhere(world);
  const epoch = await openedEpoch(world);
  const save = (loadedIn: string) => world.trySave(world.session(), { ifVersion, epoch: loadedIn });
  expect(await save(earlier)).toMatchObject({ outcome: 'conflict' });
  expect(await save(epoch)).toMatchObject({ outcome: 'saved' });
});

it.each(['saved before it', 'not opened on it', 'older than a row that came since'])(
  'P6 reissue leaves a dirty session alone that was %s',
  async (what) => {
    const world = createWorld();
    const floor = versionInOneHour();
    await seed(world, floor);
    const expectedVersion = await world.save(world.session());
    if (what !== 'older than a row that came since') await openedElsewhere(world);
    if (what === 'saved before it') await openedEpoch(world);
    const row = what === 'older than a row that came since' ? String(BigInt(floor) + 1n) : floor;
    const before = await snapshot(world.redis, world.keyspace.keyPrefix);
    const call = { expectedVersion, isDirty: true, floor: row };
    expect(await world.scripts.reissue(world.session(), call)).toBe('superseded');
    expect(await snapshot(world.redis, world.keyspace.keyPrefix)).toEqual(before);
  },
);

it('take is refused, and says so, until the partition was opened on this server', async () => {
  const world = createWorld();
  await openedEpoch(world);
  await world.save(world.session());
  await openedElsewhere(world);
  const before = await snapshot(world.redis, world.keyspace.keyPrefix);
  await expect(world.takeOne(world.session())).rejects.toSatisfy(
    (error) => error instanceof RedisError && error.failure.reason === 'NOTOPENED' && error.retryable,
  );
  expect(await snapshot(world.redis, world.keyspace.keyPrefix)).toEqual(before);
  await openedEpoch(world);
  expect(await world.takeOne(world.session())).toMatchObject({ outcome: 'dirty' });
});

it('the answer to a repeated save lowers no clock', async () => {
  const world = createWorld();
  await world.trySave(world.session(), { opId: 'once' });
  const later = await world.save(world.session('bo'));
  const clock = await world.floor();
  expect(await world.trySave(world.session(), { opId: 'once' })).toMatchObject({ outcome: 'replayed' });
  expect(await world.floor()).toBe(clock);
  expect(compareVersions(await world.save(world.session()), later)).toBeGreaterThan(0);
});
