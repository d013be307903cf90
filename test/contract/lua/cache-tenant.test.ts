import { expect, it } from 'vitest';
import { snapshot } from './snapshot.ts';
import { createWorld, TTL_MS } from './world.ts';

it('the holder of the lease stores the tenant for its time, and the lease is gone', async () => {
  const { redis, scripts, keyspace } = createWorld();
  const { info, lease } = keyspace.tenant('acme');
  await redis.set(lease, 'mine', 'PX', TTL_MS);
  expect(await scripts.cacheTenant('acme', { token: 'mine', info: '{"plan":"pro"}', ttlMs: 5000 })).toBe(
    'cached',
  );
  expect(await redis.get(info)).toBe('{"plan":"pro"}');
  const ttl = await redis.pttl(info);
  expect(ttl).toBeGreaterThan(1000);
  expect(ttl).toBeLessThanOrEqual(5000);
  expect(await redis.exists(lease)).toBe(0);
});

it.each(['absent', 'another'])('P5 with the lease %s nothing is stored', async (state) => {
  const { redis, scripts, keyspace } = createWorld();
  if (state === 'another') await redis.set(keyspace.tenant('acme').lease, 'theirs', 'PX', TTL_MS);
  const before = await snapshot(redis, keyspace.keyPrefix);
  expect(await scripts.cacheTenant('acme', { token: 'mine', info: '{}', ttlMs: 5000 })).toBe('refused');
  expect(await snapshot(redis, keyspace.keyPrefix)).toEqual(before);
});

it('the lease of one tenant does not store another', async () => {
  const { redis, scripts, keyspace } = createWorld();
  await redis.set(keyspace.tenant('acme').lease, 'mine', 'PX', TTL_MS);
  expect(await scripts.cacheTenant('other', { token: 'mine', info: '{}', ttlMs: 5000 })).toBe('refused');
});
