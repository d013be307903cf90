import { expect, it } from 'vitest';
import { createWorld, PARTITION, parkedRecord, parkedSession } from './world.ts';

const RETRY_AT_MS = 1_900_000_000_000;

it('P4 P9 a parked session is recorded before its event is acknowledged, and stays dirty without a TTL', async () => {
  const world = createWorld();
  const session = world.session();
  await world.open();
  const version = await world.save(session);
  const [event] = await world.read();
  const call = {
    version,
    record: parkedRecord(version, RETRY_AT_MS),
    eventIds: [event?.id ?? ''],
  };
  expect(await world.scripts.park(session, call)).toBe('parked');
  const record = await world.redis.hget(world.keyspace.parked(PARTITION), session.key);
  expect(JSON.parse(record ?? '')).toEqual(call.record);
  expect(await world.fields(session)).toMatchObject({
    state: '{"step":1}',
    version: version,
    dirty: '1',
    event: '',
  });
  expect(await world.redis.pttl(session.key)).toBe(-1);
  expect(await world.redis.zscore(world.keyspace.dirty(PARTITION), session.key)).not.toBeNull();
  expect([await world.announced(), await world.pending()]).toEqual([[], 0]);
});

it('P9 parking one session leaves its neighbours as they are', async () => {
  const world = createWorld();
  await world.open();
  await world.save(world.session('bo'));
  const neighbour = await world.fields(world.session('bo'));
  await parkedSession(world, world.session('ana'));
  expect(await world.fields(world.session('bo'))).toEqual(neighbour);
  expect(await world.announced()).toEqual([world.session('bo').key]);
});

it('P4 a session saved since it was refused is not parked but announced', async () => {
  const world = createWorld();
  const session = world.session();
  await world.open();
  const refused = await world.save(session);
  const [event] = await world.read();
  const newer = await world.save(session);
  expect(
    await world.scripts.park(session, {
      version: refused,
      record: parkedRecord(refused, RETRY_AT_MS),
      eventIds: [event?.id ?? ''],
    }),
  ).toBe('superseded');
  expect(await world.redis.hlen(world.keyspace.parked(PARTITION))).toBe(0);
  const [again] = await world.read('c2');
  expect(await world.fields(session)).toMatchObject({ version: newer, dirty: '1', event: again?.id });
  expect(await world.pending()).toBe(1);
});

it('P8 superseded, a session whose event still waits is not announced twice', async () => {
  const world = createWorld();
  const session = world.session();
  const refused = await world.save(session);
  await world.save(session);
  await world.scripts.park(session, {
    version: refused,
    record: parkedRecord(refused, RETRY_AT_MS),
    eventIds: [],
  });
  expect(await world.announced()).toEqual([session.key]);
});

it('an event that was not handed in stays the announcement of the parked session', async () => {
  const world = createWorld();
  const session = world.session();
  const version = await world.save(session);
  const { event } = await world.fields(session);
  await world.scripts.park(session, { version, record: parkedRecord(version, RETRY_AT_MS), eventIds: [] });
  expect((await world.fields(session)).event).toBe(event);
  expect(await world.announced()).toEqual([session.key]);
});

it.each(['clean', 'vanished'])(
  'a session that is %s meanwhile is not parked and loses its record',
  async (how) => {
    const world = createWorld();
    const session = world.session();
    await world.open();
    const version = await parkedSession(world, session);
    const dirty = world.keyspace.dirty(PARTITION);
    const parked = world.keyspace.parked(PARTITION);
    if (how === 'clean') await world.settleOne(session, version);
    else await world.redis.del(session.key);
    await world.redis.hset(parked, session.key, '{}');
    await world.redis.zadd(dirty, 1, session.key);
    const call = { version, record: parkedRecord(version, RETRY_AT_MS), eventIds: [] };
    expect(await world.scripts.park(session, call)).toBe('gone');
    expect(await world.redis.exists(parked, dirty)).toBe(0);
    expect(await world.redis.exists(session.key)).toBe(how === 'clean' ? 1 : 0);
  },
);

it('F20 a session parked again and again has one record, the newest', async () => {
  const world = createWorld();
  const session = world.session();
  await world.open();
  for (let i = 0; i < 5; i++) await parkedSession(world, session, RETRY_AT_MS + i);
  const records = await world.redis.hvals(world.keyspace.parked(PARTITION));
  expect(records.map((record) => JSON.parse(record).retryAtMs)).toEqual([RETRY_AT_MS + 4]);
  expect([await world.announced(), await world.pending()]).toEqual([[], 0]);
});

it('P9 a parked session can be saved, which announces it and keeps the record for the backoff', async () => {
  const world = createWorld();
  const session = world.session();
  await world.open();
  const version = await parkedSession(world, session, RETRY_AT_MS);
  const newer = await world.save(session);
  expect(await world.announced()).toEqual([session.key]);
  expect(await world.takeOne(session)).toMatchObject({
    version: newer,
    parked: parkedRecord(version, RETRY_AT_MS),
  });
});

it('P4 every event handed in is acknowledged and removed, and no other', async () => {
  const world = createWorld();
  const { redis, keyspace } = world;
  await world.open();
  const version = await world.save(world.session('a'));
  await redis.xadd(keyspace.changes(PARTITION), '*', 'k', world.session('a').key);
  await world.save(world.session('b'));
  const [a, stale] = await world.read();
  await world.scripts.park(world.session('a'), {
    version,
    record: parkedRecord(version, RETRY_AT_MS),
    eventIds: [a?.id ?? '', stale?.id ?? ''],
  });
  expect(await world.announced()).toEqual([world.session('b').key]);
  expect(await world.pending()).toBe(1);
});
