import { InvalidOptionError, MAX_SCRIPT_SESSIONS, SESSION_HASH } from '@cauce/protocol';
import { expect, it } from 'vitest';
import { snapshot } from './snapshot.ts';
import { cleanSession, createWorld, PARTITION, parkedRecord, parkedSession } from './world.ts';

it('answers every session in the order asked for: dirty with its state, clean, vanished, deleted', async () => {
  const world = createWorld();
  const [clean, vanished, dirty, deleted] = ['a', 'b', 'c', 'd'].map((user) => world.session(user)) as [
    ReturnType<typeof world.session>,
    ReturnType<typeof world.session>,
    ReturnType<typeof world.session>,
    ReturnType<typeof world.session>,
  ];
  await world.open();
  await cleanSession(world, clean);
  const version = await world.save(dirty, '{"n":1}');
  const tombstone = await world.trySave(deleted, { state: '', isTombstone: true });
  const { taken } = await world.scripts.take(PARTITION, [clean.key, vanished.key, dirty.key, deleted.key]);
  expect(taken).toEqual([
    { outcome: 'clean' },
    { outcome: 'clean' },
    {
      ...{ outcome: 'dirty', state: '{"n":1}', version, isTombstone: false },
      ...{ parked: undefined, winsOver: '0', operations: expect.stringMatching(`^\\S+=${version}$`) },
    },
    {
      outcome: 'dirty',
      state: '',
      version: 'version' in tombstone ? tombstone.version : '',
      isTombstone: true,
      parked: undefined,
      winsOver: '0',
      operations: expect.stringMatching(/^\S+=\d+$/),
    },
  ]);
});

it('P8 take changes nothing: the event stays the announcement of the session until settle', async () => {
  const world = createWorld();
  await world.open();
  await world.save(world.session());
  await world.read();
  const before = await snapshot(world.redis, world.keyspace.keyPrefix);
  await world.takeOne(world.session());
  expect(await snapshot(world.redis, world.keyspace.keyPrefix)).toEqual(before);
});

it('P9 a parked session comes with its record, its neighbours without', async () => {
  const world = createWorld();
  await world.open();
  const version = await parkedSession(world, world.session('ana'), 1_900_000_000_000);
  await world.save(world.session('bo'));
  expect(await world.takeOne(world.session('ana'))).toMatchObject({
    outcome: 'dirty',
    parked: parkedRecord(version, 1_900_000_000_000),
  });
  expect(await world.takeOne(world.session('bo'))).toMatchObject({ outcome: 'dirty', parked: undefined });
});

it('stops before the states exceed the limit, and what was deferred fits the next call', async () => {
  const world = createWorld();
  const sessions = ['a', 'b', 'c'].map((user) => world.session(user));
  for (const session of sessions) await world.save(session, JSON.stringify('x'.repeat(98)));
  const keys = sessions.map(({ key }) => key);
  const outcomes = async (asked: string[], maxBytes: number) =>
    (await world.scripts.take(PARTITION, asked, { maxBytes })).taken.map(({ outcome }) => outcome);
  expect(await outcomes(keys, 200)).toEqual(['dirty', 'dirty', 'deferred']);
  expect(await outcomes(keys, 199)).toEqual(['dirty', 'deferred', 'deferred']);
  expect(await outcomes(keys.slice(2), 200)).toEqual(['dirty']);
});

it('a session after the first that does not fit is asked for again, clean or not', async () => {
  const world = createWorld();
  const [first, second, clean] = ['a', 'b', 'c'].map((user) => world.session(user).key) as [
    string,
    string,
    string,
  ];
  await world.open();
  await cleanSession(world, world.session('c'));
  for (const user of ['a', 'b']) await world.save(world.session(user), JSON.stringify('x'.repeat(98)));
  const take = async (...keys: string[]) =>
    (await world.scripts.take(PARTITION, keys, { maxBytes: 100 })).taken.map(({ outcome }) => outcome);
  expect(await take(first, second, clean)).toEqual(['dirty', 'deferred', 'deferred']);
  expect(await take(second, clean)).toEqual(['dirty', 'clean']);
});

it('P9 a session that lost its state is no deleted one, and does not keep its neighbour', async () => {
  const world = createWorld();
  await world.save(world.session('a'));
  await world.save(world.session('b'), '1');
  await world.redis.hdel(world.session('a').key, SESSION_HASH.state);
  const { taken } = await world.scripts.take(PARTITION, [world.session('a').key, world.session('b').key]);
  expect(taken).toMatchObject([{ outcome: 'unreadable' }, { outcome: 'dirty', state: '1' }]);
});

it('a single state above the limit is not handed over, until it is asked for with room enough', async () => {
  const world = createWorld();
  await world.save(world.session('a'), JSON.stringify('x'.repeat(500)));
  await world.save(world.session('b'), '1');
  const keys = [world.session('a').key, world.session('b').key];
  const outcomes = async (maxBytes: number) =>
    (await world.scripts.take(PARTITION, keys, { maxBytes })).taken.map(({ outcome }) => outcome);
  expect(await outcomes(501)).toEqual(['deferred', 'deferred']);
  expect(await outcomes(502)).toEqual(['dirty', 'deferred']);
});

it('a clean session that is large takes no room from the dirty ones', async () => {
  const world = createWorld();
  await world.open();
  const version = await world.save(world.session('a'), JSON.stringify('x'.repeat(500)));
  await world.settleOne(world.session('a'), version);
  await world.save(world.session('b'), '1');
  const { taken } = await world.scripts.take(PARTITION, [world.session('a').key, world.session('b').key], {
    maxBytes: 10,
  });
  expect(taken.map(({ outcome }) => outcome)).toEqual(['clean', 'dirty']);
});

it('F17 500 sessions are taken and settled in one call each, and quickly', async () => {
  const world = createWorld();
  const sessions = Array.from({ length: MAX_SCRIPT_SESSIONS }, (_, i) => world.session(`user${i}`));
  await world.open();
  const state = JSON.stringify('x'.repeat(2000));
  const versions = await Promise.all(sessions.map((session) => world.save(session, state)));
  const events = await world.read();
  const start = performance.now();
  const { taken, takenAtUs } = await world.scripts.take(
    PARTITION,
    sessions.map(({ key }) => key),
  );
  const eventOf = new Map(events.map(({ id, key }) => [key, id]));
  const settled = await world.scripts.settle(
    PARTITION,
    sessions.map(({ key }, i) => ({ key, written: versions[i], eventIds: [eventOf.get(key) ?? ''] })),
    { ttlMs: 1000, takenAtUs },
  );
  expect(performance.now() - start).toBeLessThan(5000);
  expect(taken.every((entry, i) => entry.outcome === 'dirty' && entry.version === versions[i])).toBe(true);
  expect(settled).toEqual(Array(MAX_SCRIPT_SESSIONS).fill('clean'));
  expect([await world.announced(), await world.pending()]).toEqual([[], 0]);
});

it('F17 501 sessions in one call are refused before anything is sent', async () => {
  const { scripts } = createWorld();
  const keys = Array.from({ length: MAX_SCRIPT_SESSIONS + 1 }, (_, i) => `key${i}`);
  const settled = keys.map((key) => ({ key, written: undefined, eventIds: [] }));
  await expect(async () => scripts.take(PARTITION, keys)).rejects.toThrow(InvalidOptionError);
  await expect(async () => scripts.sweep(PARTITION, keys)).rejects.toThrow(InvalidOptionError);
  await expect(async () =>
    scripts.settle(PARTITION, settled, { ttlMs: 1000, takenAtUs: '1' }),
  ).rejects.toThrow(InvalidOptionError);
});

it('no sessions at all are no error', async () => {
  const { scripts } = createWorld();
  expect((await scripts.take(PARTITION, [])).taken).toEqual([]);
  expect(await scripts.sweep(PARTITION, [])).toEqual([]);
  expect(await scripts.settle(PARTITION, [], { ttlMs: 1000, takenAtUs: '1' })).toEqual([]);
});
