import { RedisError } from '@cauce/protocol';
import { expect, it } from 'vitest';
import type { TakeReply } from '../../../packages/protocol/src/wire/scripts/sync-scripts.ts';
import { keysSentBy, type ScriptMethod, scriptCases, scriptMethods } from './script-cases.ts';
import { snapshot } from './snapshot.ts';
import { createWorld } from './world.ts';

/** Positions of KEYS a script only removes or replaces: any value there is replaced, nothing has to be read. */
const replaced: Partial<Record<ScriptMethod, readonly number[]>> = { cacheTenant: [1] };

/** Position of the first session of the scripts that leave one they cannot read aside, and go on with the others. */
const firstSession = { take: 3, settle: 5, sweep: 4 } as const;
const skipsIt = Object.keys(firstSession) as (keyof typeof firstSession)[];

it.each(scriptMethods)(
  'P1 %s fails on a key of a wrong type and has then changed nothing, whichever key it is',
  async (method) => {
    const { redis, ...reference } = createWorld();
    const allKeys = await keysSentBy(redis, scriptCases({ redis, ...reference })[method].run);
    const sessionsFrom: Partial<Record<ScriptMethod, number>> = {
      ...{ ...firstSession, resync: 3 },
      ...{ park: 4, discard: 4 },
    };
    const keyCount = (sessionsFrom[method] ?? allKeys.length + 1) - 1;
    expect(keyCount).toBeGreaterThan(0);

    for (let position = 1; position <= keyCount; position++) {
      const world = createWorld();
      const { prepare, run } = scriptCases(world)[method];
      await prepare();
      const key = (await keysSentBy(world.redis, run))[position - 1] ?? expect.fail('no such key');
      await world.redis.del(key);
      await world.redis.rpush(key, 'of a wrong type');
      const before = await snapshot(world.redis, world.keyspace.keyPrefix);

      const call = run();
      if (replaced[method]?.includes(position)) {
        await call;
        continue;
      }
      await expect(call, `KEYS[${position}]`).rejects.toSatisfy(
        (error) => error instanceof RedisError && error.failure.reason === 'WRONGTYPE',
      );
      expect(await snapshot(world.redis, world.keyspace.keyPrefix), `KEYS[${position}]`).toEqual(before);
    }
  },
);

it.each(skipsIt.flatMap((method) => ['first', 'second', 'third'].map((nth, at) => ({ method, nth, at }))))(
  'P9 $method skips the $nth session when its key is of a wrong type, and does the others',
  async ({ method, at }) => {
    const world = createWorld();
    const { prepare, run } = scriptCases(world)[method];
    await prepare();
    const keys = (await keysSentBy(world.redis, run)).slice(firstSession[method] - 1);
    const bad = keys[at] ?? expect.fail('no such key');
    const dirty = world.keyspace.dirty(0);
    const since = await world.redis.zscore(dirty, bad);
    expect(since).not.toBeNull();
    const announced = (await world.announced()).filter((key) => key === bad);
    await world.redis.del(bad);
    await world.redis.rpush(bad, 'of a wrong type');

    const reply = await run();
    const outcomes =
      method === 'take' ? (reply as TakeReply).taken.map(({ outcome }) => outcome) : (reply as string[]);
    const done = { take: 'dirty', settle: expect.stringMatching(/^(clean|dirty)$/), sweep: 'announced' }[
      method
    ];
    expect(outcomes).toEqual(keys.map((key) => (key === bad ? 'unreadable' : done)));
    expect(await world.redis.lrange(bad, 0, -1)).toEqual(['of a wrong type']);
    expect(await world.redis.zscore(dirty, bad)).toBe(since);
    const stillAnnounced = (await world.announced()).filter((key) => key === bad);
    expect(stillAnnounced).toEqual(announced);
  },
);

it('P4 settle keeps the event of a session it cannot read, and cleans up when its key is gone', async () => {
  const world = createWorld();
  const session = world.session('s1');
  await world.open();
  const version = await world.save(session);
  const [event] = await world.read();
  const id = event?.id ?? expect.fail('not announced');
  await world.redis.set(session.key, 'of a wrong type');

  expect(await world.settleOne(session, version, [id])).toBe('unreadable');
  expect(await world.announced()).toEqual([session.key]);
  expect(await world.pending()).toBe(1);
  expect(await world.scripts.sweep(0, [session.key])).toEqual(['unreadable']);

  await world.redis.del(session.key);
  expect(await world.takeOne(session)).toEqual({ outcome: 'clean' });
  expect(await world.settleOne(session, undefined, [id])).toBe('gone');
  expect([await world.announced(), await world.pending()]).toEqual([[], 0]);
  expect(await world.redis.exists(world.keyspace.dirty(0))).toBe(0);
});

it.each(scriptMethods.filter((method) => method !== 'take'))(
  '%s changes something when every type is right, so the test above can fail',
  async (method) => {
    const world = createWorld();
    const { prepare, run } = scriptCases(world)[method];
    await prepare();
    const before = await snapshot(world.redis, world.keyspace.keyPrefix);
    await run();
    expect(await snapshot(world.redis, world.keyspace.keyPrefix)).not.toEqual(before);
  },
);

it.each(['save', 'reissue'] as const)(
  'P1 %s fails on a floor that is no number and has then changed nothing',
  async (method) => {
    const world = createWorld();
    const { prepare, run } = scriptCases(world)[method];
    await prepare();
    await world.setFloor('not a number');
    const before = await snapshot(world.redis, world.keyspace.keyPrefix);
    await expect(run()).rejects.toThrow(RedisError);
    expect(await snapshot(world.redis, world.keyspace.keyPrefix)).toEqual(before);
  },
);
