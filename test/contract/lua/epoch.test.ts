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

it('P3 versions pass a clock that was ahead, with the same distance', async () => {
  const world = createWorld();
  await openedEpoch(world);
  const ahead = versionInOneHour();
  await world.redis.set(world.keyspace.hlc(PARTITION), ahead);
  await openedElsewhere(world);
  await openedEpoch(world);
  expect(await world.save(world.session())).toBe(String(BigInt(ahead) + 10_000_001n));
});

it('a minute after it a second epoch begins, for what was still under way; then none', async () => {
  const world = createWorld();
  await openedEpoch(world);
  await openedElsewhere(world);
  const second = await openedEpoch(world);
  const meta = world.keyspace.meta(PARTITION);
  const endsAtMs = Number(await world.redis.hget(meta, 'epochEndsAtMs'));
  // Two epochs within a millisecond are told apart by counting on.
  expect(endsAtMs - Number(second)).toBeGreaterThan(MINUTE_MS - 10);
  expect(endsAtMs - Number(second)).toBeLessThanOrEqual(MINUTE_MS);
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
  expect(await world.fields(world.session())).toMatchObject({ e: epoch });
});

it('take tells saves of this epoch from those before it', async () => {
  const world = createWorld();
  await openedEpoch(world);
  await world.save(world.session('before'));
  await openedElsewhere(world);
  await openedEpoch(world);
  await world.save(world.session('since'));
  expect(await world.takeOne(world.session('before'))).toMatchObject({ outcome: 'dirty', isOfEpoch: false });
  expect(await world.takeOne(world.session('since'))).toMatchObject({ outcome: 'dirty', isOfEpoch: true });
});

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
  const clock = await world.redis.get(world.keyspace.hlc(PARTITION));
  expect(await world.trySave(world.session(), { opId: 'once' })).toMatchObject({ outcome: 'replayed' });
  expect(await world.redis.get(world.keyspace.hlc(PARTITION))).toBe(clock);
  expect(compareVersions(await world.save(world.session()), later)).toBeGreaterThan(0);
});
