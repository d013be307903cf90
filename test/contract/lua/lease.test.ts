import { expect, it } from 'vitest';
import { createWorld, TTL_MS } from './world.ts';

it('P5 a load that misses gets a lease, which lives as long as the restore may take', async () => {
  const { redis, scripts, session } = createWorld();
  expect(await scripts.lease(session(), { token: 'mine', leaseTtlMs: 5000 })).toEqual({
    outcome: 'miss',
    lease: ':mine',
  });
  const ttl = await redis.pttl(session().key);
  expect(ttl).toBeGreaterThan(1000);
  expect(ttl).toBeLessThanOrEqual(5000);
});

it('P5 loads that miss together share the first lease and do not lengthen its life', async () => {
  const { redis, scripts, session } = createWorld();
  await scripts.lease(session(), { token: 'first', leaseTtlMs: 2000 });
  expect(await scripts.lease(session(), { token: 'second', leaseTtlMs: TTL_MS })).toEqual({
    outcome: 'miss',
    lease: ':first',
  });
  expect(await redis.pttl(session().key)).toBeLessThanOrEqual(2000);
});

it('leases of two sessions are independent', async () => {
  const { scripts, session } = createWorld();
  await scripts.lease(session('ana'), { token: 'a', leaseTtlMs: TTL_MS });
  expect(await scripts.lease(session('bo'), { token: 'b', leaseTtlMs: TTL_MS })).toMatchObject({
    lease: ':b',
  });
});

it('a session that is here after all is handed over without a lease', async () => {
  const { leaseOf, scripts, session, save } = createWorld();
  const version = await save(session(), '{"n":1}');
  expect(await scripts.lease(session(), { token: 't', leaseTtlMs: TTL_MS })).toEqual({
    outcome: 'hit',
    state: '{"n":1}',
    version,
    isTombstone: false,
    savedIn: '',
    confirmedIn: '',
    operations: expect.stringMatching(/^\S+=\d+$/),
  });
  expect(await leaseOf(session())).toBeNull();
});

it('P3 a deleted session is a hit that says so, so nobody restores it', async () => {
  const { scripts, session, trySave } = createWorld();
  await trySave(session(), { state: '', isTombstone: true });
  expect(await scripts.lease(session(), { token: 't', leaseTtlMs: TTL_MS })).toMatchObject({
    outcome: 'hit',
    state: '',
    isTombstone: true,
  });
});

it('P5 a lease of an earlier epoch is not shared: Redis may have gone back to it', async () => {
  const { redis, scripts, session, keyspace } = createWorld();
  const meta = keyspace.meta(session().partition);
  await redis.hset(meta, 'epoch', '7');
  const take = (token: string): Promise<unknown> => scripts.lease(session(), { token, leaseTtlMs: TTL_MS });
  expect(await take('first')).toEqual({ outcome: 'miss', lease: '7:first' });
  await redis.hset(meta, 'epoch', '8');
  expect(await take('second')).toEqual({ outcome: 'miss', lease: '8:second' });
});
