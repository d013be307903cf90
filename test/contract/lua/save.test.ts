import { expect, it } from 'vitest';
import { snapshot } from './snapshot.ts';
import { cleanSession, createWorld, missedSession, PARTITION, TTL_MS } from './world.ts';

it('P1 a save stores the session, announces it and lists it as dirty', async () => {
  const world = createWorld();
  const session = world.session();
  const version = await world.save(session, '{"step":"pay"}');
  const [[event] = ['']] = await world.redis.xrange(world.keyspace.changes(PARTITION), '-', '+');
  expect(await world.fields(session)).toMatchObject({
    state: '{"step":"pay"}',
    version: version,
    dirty: '1',
    event: event,
    tombstone: '0',
  });
  expect(await world.announced()).toEqual([session.key]);
  expect(await world.redis.zrange(world.keyspace.dirty(PARTITION), '0', '-1')).toEqual([session.key]);
});

it('P2 a saved session has no TTL, also when it was clean and about to expire', async () => {
  const world = createWorld();
  const session = world.session();
  await world.open();
  await cleanSession(world, session);
  expect(await world.redis.pttl(session.key)).toBeGreaterThan(0);
  await world.save(session);
  expect(await world.redis.pttl(session.key)).toBe(-1);
});

it('P3 a delete is a save of a tombstone', async () => {
  const world = createWorld();
  const session = world.session();
  const first = await world.save(session);
  const reply = await world.trySave(session, { state: '', isTombstone: true });
  expect(reply.outcome).toBe('saved');
  const fields = await world.fields(session);
  expect(fields).toMatchObject({ state: '', tombstone: '1', dirty: '1' });
  expect(BigInt(fields.version ?? '0')).toBeGreaterThan(BigInt(first));
});

it('P1 a repeated op id is answered with its version and changes nothing', async () => {
  const world = createWorld();
  const session = world.session();
  const first = await world.trySave(session, { opId: 'op', state: '{"n":1}' });
  const before = await snapshot(world.redis, world.keyspace.keyPrefix);
  expect(await world.trySave(session, { opId: 'op', state: '{"n":2}' })).toEqual({
    ...first,
    outcome: 'replayed',
  });
  expect(await snapshot(world.redis, world.keyspace.keyPrefix)).toEqual(before);
});

it('P1 each of the last four op ids is answered with its own version, the fifth last is forgotten', async () => {
  const world = createWorld();
  const session = world.session();
  const versions = new Map<string, string>();
  for (const opId of ['op1', 'op2', 'op3', 'op4', 'op5']) {
    const reply = await world.trySave(session, { opId });
    versions.set(opId, 'version' in reply ? reply.version : '');
  }
  for (const opId of ['op5', 'op2', 'op3', 'op4']) {
    expect(await world.trySave(session, { opId })).toEqual({
      outcome: 'replayed',
      version: versions.get(opId),
      period: '0',
    });
  }
  expect(await world.trySave(session, { opId: 'op1' })).toMatchObject({ outcome: 'saved' });
});

it.each([
  ['a', 'aa'],
  ['aa', 'a'],
  ['a.', 'ab'],
  ['%d+', '1'],
  ['1763830000123000', '17'],
])('P1 op id %s is not mistaken for %s', async (one, other) => {
  const world = createWorld();
  const session = world.session();
  const first = await world.trySave(session, { opId: one });
  expect(await world.trySave(session, { opId: other })).toMatchObject({ outcome: 'saved' });
  expect(await world.trySave(session, { opId: one })).toEqual({ ...first, outcome: 'replayed' });
});

it('P1 an op id stays answered after the session was synced and settled', async () => {
  const world = createWorld();
  const session = world.session();
  await world.open();
  const reply = await world.trySave(session, { opId: 'op' });
  if (reply.outcome !== 'saved') expect.fail(reply.outcome);
  expect(await world.settleOne(session, reply.version)).toBe('clean');
  expect(await world.trySave(session, { opId: 'op' })).toEqual({ ...reply, outcome: 'replayed' });
});

it('P1 the same op id of another session is a save of its own', async () => {
  const world = createWorld();
  await world.trySave(world.session('ana'), { opId: 'op' });
  expect(await world.trySave(world.session('bo'), { opId: 'op' })).toMatchObject({ outcome: 'saved' });
});

it('saves over the expected version only, and otherwise says the present one and changes nothing', async () => {
  const world = createWorld();
  const session = world.session();
  const first = await world.save(session);
  const second = await world.trySave(session, { ifVersion: first });
  if (second.outcome !== 'saved') expect.fail(second.outcome);
  const before = await snapshot(world.redis, world.keyspace.keyPrefix);
  expect(await world.trySave(session, { ifVersion: first })).toEqual({
    outcome: 'conflict',
    version: second.version,
  });
  expect(await snapshot(world.redis, world.keyspace.keyPrefix)).toEqual(before);
});

it('saves a session that is absent with ifVersion 0 while the lease is there, and only once', async () => {
  const world = createWorld();
  const session = world.session();
  const lease = await missedSession(world, session);
  const created = await world.trySave(session, { ifVersion: '0', lease });
  expect(created.outcome).toBe('saved');
  expect(await world.trySave(session, { ifVersion: '0', lease })).toEqual({
    outcome: 'conflict',
    version: 'version' in created && created.version,
  });
});

it('P6 that Redis has no session does not mean that there is none: without a lease ifVersion 0 is a conflict', async () => {
  const world = createWorld();
  const conflict = { outcome: 'conflict', version: '0' };
  expect(await world.trySave(world.session(), { ifVersion: '0' })).toEqual(conflict);
  expect(await world.trySave(world.session(), { ifVersion: '0', lease: ':mine' })).toEqual(conflict);
  expect(await snapshot(world.redis, world.keyspace.keyPrefix)).toEqual({});
});

it('P6 a session that was saved, synced and evicted since it was missed is not saved over with ifVersion 0', async () => {
  const world = createWorld();
  const session = world.session();
  await world.open();
  const lease = await missedSession(world, session);
  await cleanSession(world, session);
  await world.redis.del(session.key);
  const call = { ifVersion: '0', lease };
  expect(await world.trySave(session, call)).toEqual({ outcome: 'conflict', version: '0' });
  const newLease = await missedSession(world, session, 'another');
  expect(await world.trySave(session, call)).toEqual({ outcome: 'conflict', version: '0' });
  expect(await world.trySave(session, { ...call, lease: newLease })).toMatchObject({ outcome: 'saved' });
});

it('P6 a lease of an earlier epoch proves nothing: Redis may have gone back to before the save that removed it', async () => {
  const world = createWorld();
  const session = world.session();
  const meta = world.keyspace.meta(PARTITION);
  await world.redis.hset(meta, { epoch: '7', floor: '0' });
  const lease = await missedSession(world, session);
  await world.redis.hset(meta, 'epoch', '8');
  const call = { ifVersion: '0', lease };
  expect(await world.trySave(session, call)).toEqual({ outcome: 'conflict', version: '0' });
  await world.redis.hset(meta, 'epoch', '7');
  expect(await world.trySave(session, call)).toMatchObject({ outcome: 'saved' });
});

it('answers version 0 to a compare-and-set of an absent session and leaves nothing behind', async () => {
  const world = createWorld();
  expect(await world.trySave(world.session(), { ifVersion: '1763830000123000' })).toEqual({
    outcome: 'conflict',
    version: '0',
  });
  expect(await snapshot(world.redis, world.keyspace.keyPrefix)).toEqual({});
});

it('answers a repeated compare-and-set as applied, not as a conflict with itself', async () => {
  const world = createWorld();
  const session = world.session();
  const first = await world.save(session);
  const call = { opId: 'cas', ifVersion: first };
  const second = await world.trySave(session, call);
  expect(await world.trySave(session, call)).toEqual({ ...second, outcome: 'replayed' });
});

it('refuses a state above the limit, counted in bytes, and leaves nothing behind', async () => {
  const world = createWorld();
  const session = world.session();
  expect(await world.trySave(session, { state: '"ñ"', maxBytes: 3 })).toEqual({
    outcome: 'too_large',
    bytes: 4,
  });
  expect(await snapshot(world.redis, world.keyspace.keyPrefix)).toEqual({});
  expect(await world.trySave(session, { state: '"ñ"', maxBytes: 4 })).toMatchObject({ outcome: 'saved' });
});

it('P5 a save takes the lease away, so that a row read before it never enters Redis after it', async () => {
  const world = createWorld();
  const session = world.session();
  const lease = await world.scripts.lease(session, { token: 'mine', leaseTtlMs: TTL_MS });
  expect(lease).toEqual({ outcome: 'miss', lease: ':mine' });
  await world.save(session);
  expect(await world.leaseOf(session)).toBeNull();
});

it('P8 a session saved a hundred times has one event', async () => {
  const world = createWorld();
  const session = world.session();
  for (let i = 0; i < 100; i++) await world.save(session);
  expect(await world.announced()).toEqual([session.key]);
});

it('P8 a session saved while its event is being synced keeps that event', async () => {
  const world = createWorld();
  const session = world.session();
  await world.open();
  await world.save(session);
  const [event] = await world.read();
  await world.save(session);
  expect((await world.fields(session)).event).toBe(event?.id);
  expect(await world.announced()).toHaveLength(1);
});

it.each(['XTRIM', 'DEL'])(
  'P4 sweep finds what %s of the stream lost, also once its index is gone',
  async (how) => {
    const world = createWorld();
    const session = world.session();
    const changes = world.keyspace.changes(PARTITION);
    const dirty = world.keyspace.dirty(PARTITION);
    await world.save(session);
    await (how === 'DEL' ? world.redis.del(changes) : world.redis.xtrim(changes, 'MAXLEN', 0));
    await world.redis.del(dirty);
    await world.save(session);
    expect(await world.redis.zrange(dirty, '0', '-1')).toEqual([session.key]);
    expect(await world.scripts.sweep(PARTITION, [session.key])).toEqual(['announced']);
    expect(await world.announced()).toEqual([session.key]);
  },
);

it('the dirty index keeps the time of the first unsynced save', async () => {
  const world = createWorld();
  const session = world.session();
  const dirty = world.keyspace.dirty(PARTITION);
  const startUs = Date.now() * 1000;
  await world.save(session);
  const since = await world.redis.zscore(dirty, session.key);
  expect(Math.abs(Number(since) - startUs)).toBeLessThan(60_000_000);
  await world.save(session);
  expect(await world.redis.zscore(dirty, session.key)).toBe(since);
});
