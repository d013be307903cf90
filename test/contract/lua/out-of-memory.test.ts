import { startRedis } from '@cauce/dev-services';
import { afterEach, beforeAll, expect, it } from 'vitest';
import { connectRedis } from '../../helpers/isolated.ts';
import { type ScriptMethod, scriptCases } from './script-cases.ts';
import { snapshot } from './snapshot.ts';
import { createWorld, PARTITION, type World } from './world.ts';

const MAX_MEMORY_BYTES = 24 * 1024 * 1024;
const STATE = JSON.stringify('x'.repeat(20_000));

let url = '';

beforeAll(async () => {
  const server = await startRedis({
    appendOnly: false,
    maxMemoryBytes: MAX_MEMORY_BYTES,
    maxMemoryPolicy: 'noeviction',
  });
  url = server.url;
  return () => server.stop();
});

afterEach(async () => {
  const redis = connectRedis(url);
  await redis.flushall();
  await redis.config('SET', 'maxmemory', MAX_MEMORY_BYTES);
});

/** Full beyond doubt: freeing a buffer does not bring the server below the limit again. */
async function exhaust({ redis }: World): Promise<void> {
  await redis.config('SET', 'maxmemory', 1);
}

/** Saves sessions until Redis refuses; returns how many were acknowledged. */
async function fill(world: World): Promise<number> {
  for (let saved = 0; ; saved++) {
    try {
      await world.trySave(world.session(`filler${saved}`), { state: STATE });
    } catch {
      return saved;
    }
  }
}

it.each(['save', 'lease', 'restore', 'cacheTenant'] as const satisfies ScriptMethod[])(
  'P7 with Redis out of memory %s is refused as retryable and leaves nothing behind',
  async (method) => {
    const world = createWorld({ url });
    const { prepare, run } = scriptCases(world)[method];
    await prepare();
    await exhaust(world);
    const before = await snapshot(world.redis, world.keyspace.keyPrefix);
    await expect(run()).rejects.toMatchObject({
      failure: { effect: 'refused', reason: 'OOM', retryable: true },
    });
    expect(await snapshot(world.redis, world.keyspace.keyPrefix)).toEqual(before);
  },
);

it('P7 with Redis out of memory a save that would only shrink is refused too, not half done', async () => {
  const world = createWorld({ url });
  const session = world.session();
  await world.save(session);
  await exhaust(world);
  const before = await snapshot(world.redis, world.keyspace.keyPrefix);
  await expect(world.trySave(session, { state: '', isTombstone: true })).rejects.toThrow('OOM');
  expect(await snapshot(world.redis, world.keyspace.keyPrefix)).toEqual(before);
});

it.each([
  'take',
  'settle',
  'park',
  'sweep',
  'adopt',
  'reissue',
  'resync',
  'discard',
  'openPartition',
  'install',
  'seal',
  'forgetConsumer',
] as const satisfies ScriptMethod[])('P7 with Redis out of memory %s still does its work', async (method) => {
  const world = createWorld({ url });
  const { prepare, run } = scriptCases(world)[method];
  await prepare();
  await exhaust(world);
  const before = await snapshot(world.redis, world.keyspace.keyPrefix);
  await run();
  const after = await snapshot(world.redis, world.keyspace.keyPrefix);
  if (method === 'take') expect(after).toEqual(before);
  else expect(after).not.toEqual(before);
});

it('P7 out of memory, even when Redis forgot the scripts, the consumer drains to zero; then saves resume', async () => {
  const world = createWorld({ url });
  const saved = await fill(world);
  expect(saved).toBeGreaterThan(100);
  await world.redis.script('FLUSH', 'SYNC');
  // Without a group: it has to be created in a full Redis too.
  await world.open();
  let drained = 0;
  for (let events = await world.read(); events.length > 0; events = await world.read()) {
    const { taken, takenAtUs } = await world.scripts.take(
      PARTITION,
      events.map(({ key }) => key),
      { maxBytes: MAX_MEMORY_BYTES },
    );
    const sessions = events.map(({ id, key }, i) => {
      const entry = taken[i];
      return { key, written: entry?.outcome === 'dirty' ? entry.version : undefined, eventIds: [id] };
    });
    // The TTL is up at once, which frees the memory.
    const outcomes = await world.scripts.settle(PARTITION, sessions, { ttlMs: 1, takenAtUs });
    drained += outcomes.filter((outcome) => outcome === 'clean').length;
  }
  expect(drained).toBe(saved);
  expect(await world.redis.zcard(world.keyspace.dirty(PARTITION))).toBe(0);
  expect([await world.announced(), await world.pending()]).toEqual([[], 0]);
  // Expired sessions leave when they are looked at, or by and by.
  for (let i = 0; i < saved; i++) await world.redis.exists(world.session(`filler${i}`).key);
  expect(await world.trySave(world.session('after'), { state: STATE })).toMatchObject({ outcome: 'saved' });
});

it('P7 a save under the limit that crosses it is whole', async () => {
  const world = createWorld({ url });
  const saved = await fill(world);
  const last = await world.fields(world.session(`filler${saved - 1}`));
  expect(last).toMatchObject({ state: STATE, dirty: '1' });
  expect(await world.announced()).toHaveLength(saved);
  expect(await world.redis.zcard(world.keyspace.dirty(PARTITION))).toBe(saved);
  expect(await world.redis.exists(world.session(`filler${saved}`).key)).toBe(0);
  expect(await world.redis.pttl(world.session('filler0').key)).toBe(-1);
});
