import { RedisError } from '@cauce/protocol';
import { expect, it } from 'vitest';
import { keysSentBy, type ScriptMethod, scriptCases, scriptMethods } from './script-cases.ts';
import { snapshot } from './snapshot.ts';
import { createWorld } from './world.ts';

/** Positions of KEYS a script only removes or replaces: whatever stands there goes, nothing has to be read. */
const replaced: Partial<Record<ScriptMethod, readonly number[]>> = { save: [5], cacheTenant: [1] };

it.each(scriptMethods)(
  'P1 %s fails on a key of a wrong type and has then changed nothing, whichever key it is',
  async (method) => {
    const { redis, ...reference } = createWorld();
    const keyCount = (await keysSentBy(redis, scriptCases({ redis, ...reference })[method].run)).length;
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

it.each(scriptMethods.filter((method) => method !== 'take'))(
  '%s changes something when nothing stands in its way, so the test above means something',
  async (method) => {
    const world = createWorld();
    const { prepare, run } = scriptCases(world)[method];
    await prepare();
    const before = await snapshot(world.redis, world.keyspace.keyPrefix);
    await run();
    expect(await snapshot(world.redis, world.keyspace.keyPrefix)).not.toEqual(before);
  },
);

it.each(['save', 'hydrate', 'openPartition', 'adopt', 'reissue'] as const)(
  'P1 %s fails on a version clock that is no number and has then changed nothing',
  async (method) => {
    const world = createWorld();
    const { prepare, run } = scriptCases(world)[method];
    await prepare();
    await world.redis.set(world.keyspace.hlc(0), 'not a number');
    const before = await snapshot(world.redis, world.keyspace.keyPrefix);
    await expect(run()).rejects.toThrow(RedisError);
    expect(await snapshot(world.redis, world.keyspace.keyPrefix)).toEqual(before);
  },
);
