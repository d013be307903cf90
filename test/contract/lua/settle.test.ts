import { expect, it } from 'vitest';
import { snapshot } from './snapshot.ts';
import { cleanSession, createWorld, missedSession, PARTITION, parkedSession, TTL_MS } from './world.ts';

it('P2 a session PostgreSQL has becomes clean: a TTL, no event, not in the dirty index', async () => {
  const world = createWorld();
  const session = world.session();
  await world.open();
  const version = await world.save(session);
  const [event] = await world.read();
  expect(await world.settleOne(session, version, [event?.id ?? ''])).toBe('clean');
  expect(await world.fields(session)).toMatchObject({
    state: '{"step":1}',
    version: version,
    dirty: '0',
    event: '',
  });
  const ttl = await world.redis.pttl(session.key);
  expect(ttl).toBeGreaterThan(TTL_MS - 5000);
  expect(ttl).toBeLessThanOrEqual(TTL_MS);
  expect(await world.redis.zcard(world.keyspace.dirty(PARTITION))).toBe(0);
  expect([await world.announced(), await world.pending()]).toEqual([[], 0]);
});

it('P4 a session saved since the write stays dirty, without a TTL, and is announced again', async () => {
  const world = createWorld();
  const session = world.session();
  await world.open();
  const written = await world.save(session);
  const [event] = await world.read();
  await world.save(session);
  expect(await world.settleOne(session, written, [event?.id ?? ''])).toBe('dirty');
  expect(await world.pending()).toBe(0);
  const [again] = await world.read('c2');
  expect(again).toMatchObject({ key: session.key });
  expect(again?.id).not.toBe(event?.id);
  expect(await world.fields(session)).toMatchObject({ dirty: '1', event: again?.id });
  expect(await world.redis.pttl(session.key)).toBe(-1);
});

it('P8 a session saved since whose event still waits is not announced twice', async () => {
  const world = createWorld();
  const session = world.session();
  await world.open();
  const written = await world.save(session);
  await world.save(session);
  const { event } = await world.fields(session);
  expect(await world.settleOne(session, written)).toBe('dirty');
  expect(await world.announced()).toHaveLength(1);
  expect((await world.fields(session)).event).toBe(event);
});

it('P8 the waiting event of a session that is in step has nothing to say and goes', async () => {
  const world = createWorld();
  const session = world.session();
  await world.open();
  const version = await world.save(session);
  expect(await world.settleOne(session, version)).toBe('clean');
  expect(await world.announced()).toEqual([]);
});

it('P4 settled without a write, a dirty session is announced again', async () => {
  const world = createWorld();
  const session = world.session();
  await world.open();
  await world.save(session);
  const [event] = await world.read();
  expect(await world.settleOne(session, undefined, [event?.id ?? ''])).toBe('dirty');
  expect(await world.announced()).toEqual([session.key]);
  expect(await world.pending()).toBe(0);
});

it('F19 a vanished session is not created again; its event and its entries go', async () => {
  const world = createWorld();
  const session = world.session();
  await world.open();
  const version = await parkedSession(world, session);
  await world.redis.del(session.key);
  expect(await world.settleOne(session, version)).toBe('gone');
  expect(await world.redis.exists(session.key)).toBe(0);
  expect(await world.redis.zcard(world.keyspace.dirty(PARTITION))).toBe(0);
  expect(await world.redis.hlen(world.keyspace.parked(PARTITION))).toBe(0);
});

it('P9 a parked session that was written after all is no longer parked, its neighbour is', async () => {
  const world = createWorld();
  await world.open();
  const version = await parkedSession(world, world.session('ana'));
  await parkedSession(world, world.session('bo'));
  expect(await world.settleOne(world.session('ana'), version)).toBe('clean');
  expect(await world.redis.hkeys(world.keyspace.parked(PARTITION))).toEqual([world.session('bo').key]);
});

it('P4 every event handed in is acknowledged and removed, and no other', async () => {
  const world = createWorld();
  const { redis, keyspace, scripts } = world;
  await world.open();
  const changes = keyspace.changes(PARTITION);
  const versions = [await world.save(world.session('a')), await world.save(world.session('b'))];
  const stale = await redis.xadd(changes, '*', 'k', world.session('a').key);
  const [a, b] = await world.read();
  const settled = await scripts.settle(
    PARTITION,
    [
      { key: world.session('a').key, written: versions[0], eventIds: [a?.id ?? '', stale ?? ''] },
      { key: world.session('c').key, written: undefined, eventIds: [] },
    ],
    { ttlMs: TTL_MS, takenAtUs: '1' },
  );
  expect(settled).toEqual(['clean', 'gone']);
  expect(await redis.xrange(changes, '-', '+')).toEqual([[b?.id, ['k', world.session('b').key]]]);
  expect(await world.pending()).toBe(1);
});

it('P3 a zombie that wrote an older version leaves a clean session as it is', async () => {
  const world = createWorld();
  const session = world.session();
  await world.open();
  const older = await world.save(session);
  const [event] = await world.read('zombie');
  const newer = await world.save(session);
  await world.settleOne(session, newer, [event?.id ?? '']);
  const before = await snapshot(world.redis, world.keyspace.keyPrefix);
  expect(await world.settleOne(session, older, [event?.id ?? ''])).toBe('clean');
  expect(await snapshot(world.redis, world.keyspace.keyPrefix)).toEqual(before);
});

it('P6 a clean session that Redis went back to is removed, so that the next load reads the row that was written', async () => {
  const world = createWorld();
  const session = world.session();
  await world.open();
  const older = await cleanSession(world, session);
  const newer = String(BigInt(older) + 1n);
  expect(await world.settleOne(session, newer)).toBe('gone');
  expect(await world.redis.exists(session.key)).toBe(0);
  expect(await world.redis.zcard(world.keyspace.dirty(PARTITION))).toBe(0);
});

it('P4 a zombie that wrote an older version leaves a session saved since dirty and announced', async () => {
  const world = createWorld();
  const session = world.session();
  await world.open();
  const older = await world.save(session);
  const [event] = await world.read('zombie');
  await world.settleOne(session, await world.save(session), [event?.id ?? '']);
  const newest = await world.save(session);
  const { event: waiting } = await world.fields(session);
  expect(await world.settleOne(session, older, [event?.id ?? ''])).toBe('dirty');
  expect(await world.fields(session)).toMatchObject({ version: newest, dirty: '1', event: waiting });
  expect(await world.announced()).toEqual([session.key]);
});

it('P8 a zombie whose event was claimed takes it from the claimer without losing the session', async () => {
  const world = createWorld();
  const session = world.session();
  await world.open();
  const older = await world.save(session);
  const [event] = await world.read('zombie');
  const id = event?.id ?? '';
  await world.redis.xclaim(world.keyspace.changes(PARTITION), 'sync', 'claimer', 0, id);
  const newer = await world.save(session);
  expect(await world.settleOne(session, older, [id])).toBe('dirty');
  expect(await world.announced()).toEqual([session.key]);
  expect(await world.settleOne(session, newer, [id])).toBe('clean');
  expect([await world.announced(), await world.pending()]).toEqual([[], 0]);
});

it('the dirty time moves forward to when the states were taken, never back', async () => {
  const world = createWorld();
  const session = world.session();
  const dirty = world.keyspace.dirty(PARTITION);
  await world.open();
  const written = await world.save(session);
  await world.save(session);
  const settle = (takenAtUs: string, version: string | undefined = written) =>
    world.scripts.settle(PARTITION, [{ key: session.key, written: version, eventIds: [] }], {
      ttlMs: TTL_MS,
      takenAtUs,
    });
  const since = (await world.redis.zscore(dirty, session.key)) ?? '';
  const takenAtUs = String(BigInt(since) + 5_000_000n);
  await settle(takenAtUs);
  expect(await world.redis.zscore(dirty, session.key)).toBe(takenAtUs);
  await settle(since);
  expect(await world.redis.zscore(dirty, session.key)).toBe(takenAtUs);
});

it('the dirty time stays when nothing was written', async () => {
  const world = createWorld();
  const session = world.session();
  const dirty = world.keyspace.dirty(PARTITION);
  await world.save(session);
  const since = await world.redis.zscore(dirty, session.key);
  await world.settleOne(session, undefined);
  expect(await world.redis.zscore(dirty, session.key)).toBe(since);
});

it('P2 a TTL with a fraction still becomes a TTL', async () => {
  const world = createWorld();
  const session = world.session();
  const version = await world.save(session);
  await world.scripts.settle(PARTITION, [{ key: session.key, written: version, eventIds: [] }], {
    ttlMs: 1234.5,
    takenAtUs: '1',
  });
  expect(await world.redis.pttl(session.key)).toBeGreaterThan(0);
});

it('P4 a group and stream that are gone do not keep a session from being settled', async () => {
  const world = createWorld();
  const session = world.session();
  await world.open();
  const version = await world.save(session);
  const [event] = await world.read();
  await world.redis.del(world.keyspace.changes(PARTITION));
  expect(await world.settleOne(session, version, [event?.id ?? ''])).toBe('clean');
  await world.open();
  await cleanSession(world, world.session('bo'));
  expect(await world.announced()).toEqual([]);
});

it('P4 an event nobody has read yet stays', async () => {
  const world = createWorld();
  await world.open();
  const version = await world.save(world.session('ana'));
  const [event] = await world.read();
  await world.save(world.session('bo'));
  expect(await world.settleOne(world.session('ana'), version, [event?.id ?? ''])).toBe('clean');
  expect((await world.read('c2')).map(({ key }) => key)).toEqual([world.session('bo').key]);
});

it('P4 an event that was lost goes with those around it, and sweep announces the session again', async () => {
  const world = createWorld();
  const [lost, other] = [world.session('ana'), world.session('bo')];
  await world.open();
  await world.save(lost);
  await world.read('gone');
  await world.redis.xgroup('DELCONSUMER', world.keyspace.changes(PARTITION), 'sync', 'gone');
  const version = await world.save(other);
  const [event] = await world.read();
  expect(await world.settleOne(other, version, [event?.id ?? ''])).toBe('clean');
  expect(await world.announced()).toEqual([]);
  expect(await world.scripts.sweep(PARTITION, [lost.key])).toEqual(['announced']);
  expect(await world.announced()).toEqual([lost.key]);
});

it('P8 thousands of events of one session are acknowledged and removed in one call', async () => {
  const world = createWorld();
  const session = world.session();
  const changes = world.keyspace.changes(PARTITION);
  await world.open();
  const version = await world.save(session);
  // Pending before all others, so that the others are not removed as the oldest.
  await world.save(world.session('bo'));
  await world.redis.xreadgroup('GROUP', 'sync', 'c2', 'COUNT', 2, 'STREAMS', changes, '>');
  const stale = world.redis.pipeline();
  for (let i = 0; i < 9000; i++) stale.xadd(changes, '*', 'k', session.key);
  await stale.exec();
  const eventIds = (await world.redis.xrange(changes, '-', '+')).map(([id]) => id).filter((_, i) => i !== 1);
  await world.redis.xreadgroup('GROUP', 'sync', 'c1', 'COUNT', 9000, 'STREAMS', changes, '>');
  expect(await world.settleOne(session, version, eventIds)).toBe('clean');
  expect(await world.announced()).toEqual([world.session('bo').key]);
  expect(await world.pending()).toBe(1);
});

it('P5 a row that was read before a commit does not enter Redis after it, when the session was discarded meanwhile', async () => {
  const world = createWorld();
  const session = world.session();
  await world.open();
  const version = await parkedSession(world, session, 1);
  await world.scripts.sweep(PARTITION, [session.key]);
  const eventIds = (await world.read()).map(({ id }) => id);
  expect(await world.takeOne(session)).toMatchObject({ outcome: 'dirty', version });
  expect(await world.scripts.discard(session, { version })).toBe('discarded');
  // A load misses, and reads the older row; then the consumer commits.
  const lease = await missedSession(world, session);
  expect(await world.settleOne(session, version, eventIds)).toBe('gone');
  const older = { state: '{}', version: '7', isTombstone: false, lease, ttlMs: TTL_MS };
  expect(await world.scripts.restore(session, older)).toBe('refused');
});
