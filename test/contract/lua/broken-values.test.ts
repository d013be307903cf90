import { SESSION_HASH } from '@cauce/protocol';
import { expect, it } from 'vitest';
import { snapshot } from './snapshot.ts';
import {
  cleanSession,
  createWorld,
  missedSession,
  PARTITION,
  parkedRecord,
  parkedSession,
  TTL_MS,
  versionInOneHour,
  type World,
} from './world.ts';

/** None of them is the id of an event: the commands of streams refuse it. */
const noEvents = ['abc', '1-', '-', '1-2-3', '99999999999999999999-1', '18446744073709551616-0', ''];

/**
 * Puts it in the header of a dirty session, in place of its event, which is read and pending. Returns version and
 * event.
 */
async function announcedAs(world: World, q: string): Promise<[version: string, event: string]> {
  const session = world.session();
  await world.open();
  const version = await world.save(session);
  const [event] = await world.read();
  await world.rewrite(session, { event: q });
  return [version, event?.id ?? expect.fail('not announced')];
}

it.each(noEvents)('an event "%s" of a session: it is settled when it was written', async (q) => {
  const world = createWorld();
  const [version, event] = await announcedAs(world, q);
  expect(await world.settleOne(world.session(), version, [event])).toBe('clean');
  expect([await world.announced(), await world.pending()]).toEqual([[], 0]);
});

it.each(noEvents)('an event "%s" of a session: it is announced when it was saved since', async (q) => {
  const world = createWorld();
  const [, event] = await announcedAs(world, q);
  expect(await world.settleOne(world.session(), '5', [event])).toBe('dirty');
  expect(await world.announced()).toEqual([world.session().key]);
  expect((await world.fields(world.session())).event).toMatch(/^\d+-\d+$/);
});

it.each(noEvents)('an event "%s" of a session: sweep announces it', async (q) => {
  const world = createWorld();
  await announcedAs(world, q);
  expect(await world.scripts.sweep(PARTITION, [world.session().key])).toEqual(['announced']);
  expect(await world.announced()).toContain(world.session().key);
});

it.each(noEvents)('an event "%s" of a session: it adopts its row', async (q) => {
  const world = createWorld();
  const [losingVersion] = await announcedAs(world, q);
  const row = { state: '{}', version: '2763830000123456', isTombstone: false };
  expect(await world.scripts.adopt(world.session(), { losingVersion, ...row, ttlMs: TTL_MS })).toBe(
    'adopted',
  );
});

it.each(noEvents)('an event "%s" of a session: it is parked, and discarded', async (q) => {
  const world = createWorld();
  const session = world.session();
  const [version, event] = await announcedAs(world, q);
  const record = parkedRecord(version, Date.now());
  expect(await world.scripts.park(session, { version, record, eventIds: [event] })).toBe('parked');
  await world.rewrite(session, { event: q });
  expect(await world.scripts.discard(session, { version })).toBe('discarded');
});

it.each(noEvents)(
  'an event "%s" of a session: one that was saved since is announced, not parked',
  async (q) => {
    const world = createWorld();
    const [, event] = await announcedAs(world, q);
    const call = { version: '5', record: parkedRecord('5', Date.now()), eventIds: [event] };
    expect(await world.scripts.park(world.session(), call)).toBe('superseded');
    expect(await world.announced()).toEqual([world.session().key]);
  },
);

it.each(noEvents)('an event "%s" of a session: it is reissued', async (q) => {
  const world = createWorld();
  const [version] = await announcedAs(world, q);
  const call = { expectedVersion: version, isDirty: true, floor: '0' };
  expect(await world.scripts.reissue(world.session(), call)).toBe('reissued');
  expect((await world.fields(world.session())).event).toMatch(/^\d+-\d+$/);
});

/** What becomes of the two fields of a dirty session. */
const brokenFields: Record<string, Record<string, string | null>> = {
  'no header': { m: null },
  'an empty header': { m: '' },
  'the version abc': { m: 'abc 10 5-5   ' },
  'the version 1e300': { m: '1e300 10 5-5   ' },
  'the version 007': { m: '007 10 5-5   ' },
  'a version that cannot be counted': { m: '9007199254740992 10 5-5   ' },
  'the dirty flag x': { m: '5 x0 5-5   ' },
  'the tombstone flag x': { m: '5 1x 5-5   ' },
  'half a header': { m: '5 10 5-5' },
  'no state': { s: null },
  'the fields of protocol 1': { m: null, v: '5', d: '1', q: '5-5', o: '', t: '0', e: '', c: '' },
};

it.each(Object.entries(brokenFields))(
  'a dirty session with %s is skipped, stays in the index, and its neighbours go on',
  async (_, fields) => {
    const world = createWorld();
    const { redis, keyspace, scripts } = world;
    const users = ['ana', 'bad', 'cleo'].map((user) => world.session(user));
    const [ana, bad, cleo] = users as [(typeof users)[0], (typeof users)[0], (typeof users)[0]];
    await world.open();
    for (const session of users) await world.save(session);
    const events = await world.read();
    for (const [field, value] of Object.entries(fields)) {
      await (value === null ? redis.hdel(bad.key, field) : redis.hset(bad.key, field, value));
    }
    const before = await redis.hgetall(bad.key);

    const keys = users.map(({ key }) => key);
    const { taken, takenAtUs } = await scripts.take(PARTITION, keys);
    expect(taken.map(({ outcome }) => outcome)).toEqual(['dirty', 'unreadable', 'dirty']);
    const written = async (session: typeof ana) => (await world.fields(session)).version;
    const sessions = [
      { key: ana.key, written: (await written(ana)) ?? '', eventIds: [events[0]?.id ?? ''] },
      { key: bad.key, written: undefined, eventIds: [events[1]?.id ?? ''] },
      { key: cleo.key, written: (await written(cleo)) ?? '', eventIds: [events[2]?.id ?? ''] },
    ];
    // Settle and sweep look neither at the state nor at how large a version is.
    const isOfTake = 's' in fields || fields.m?.startsWith('9007') === true;
    const left = isOfTake ? 'dirty' : 'unreadable';
    expect(await scripts.settle(PARTITION, sessions, { ttlMs: TTL_MS, takenAtUs })).toEqual([
      'clean',
      left,
      'clean',
    ]);
    expect(await redis.zrange(keyspace.dirty(PARTITION), '0', '-1')).toEqual([bad.key]);
    if (isOfTake) return;
    expect(await scripts.sweep(PARTITION, keys)).toEqual(['clean', 'unreadable', 'clean']);
    expect(await scripts.resync(PARTITION, keys, { sinceVersion: '5' })).toEqual([
      'announced',
      'unreadable',
      'announced',
    ]);
    expect(await redis.zrange(keyspace.dirty(PARTITION), '0', '-1')).toContain(bad.key);
    expect(await redis.hgetall(bad.key)).toEqual(before);
  },
);

it('resync skips a session whose key has another value', async () => {
  const world = createWorld();
  await world.open();
  const good = world.session('good');
  await cleanSession(world, good);
  await world.redis.rpush(world.session('bad').key, 'of a wrong type');
  const keys = [world.session('bad').key, good.key];
  expect(await world.scripts.resync(PARTITION, keys, { sinceVersion: '0' })).toEqual([
    'unreadable',
    'announced',
  ]);
});

const junk = ['abc', '', 'inf', 'nan', '1e300', '-1', '99999999999999999999'];

it.each(
  ['epochEndsAtMs', 'epoch', 'serverEpoch', 'seeded', 'server'].flatMap((field) =>
    junk.map((value) => [field, value] as const),
  ),
)('a partition whose %s is "%s" is opened, and an epoch begins that was not there', async (field, value) => {
  const world = createWorld();
  const { redis, keyspace, scripts } = world;
  const meta = keyspace.meta(PARTITION);
  const call = { floor: '5', createGroup: true };
  await scripts.openPartition(PARTITION, call);
  await world.save(world.session());
  await redis.hset(meta, field, value);
  // As after a restart.
  if (field !== 'epochEndsAtMs') await redis.hset(meta, 'server', 'another');
  const known = await redis.hget(meta, 'epoch');
  const opened = await scripts.openPartition(PARTITION, call);
  expect(opened).toMatchObject({ outcome: 'opened', epoch: expect.stringMatching(/^\d{13}$/) });
  expect(opened.outcome === 'mismatch' || opened.epoch).not.toBe(known);
  expect(await world.takeOne(world.session())).toMatchObject({ outcome: 'dirty' });
  expect(await redis.hget(meta, 'epochEndsAtMs')).toEqual(
    field === 'epochEndsAtMs' ? null : expect.stringMatching(/^\d{13}$/),
  );
});

it.each(junk)('"%s" as the floor of a partition lets no session win over its row', async (seeded) => {
  const world = createWorld();
  await world.open();
  await world.save(world.session());
  await world.redis.hset(world.keyspace.meta(PARTITION), 'seeded', seeded);
  expect(await world.takeOne(world.session())).toMatchObject({ outcome: 'dirty', winsOver: '0' });
});

it.each([...junk, '5 1'])(
  '"%s" as the first epoch of a server lets no session win over its row',
  async (epoch) => {
    const world = createWorld();
    const session = world.session();
    const meta = world.keyspace.meta(PARTITION);
    const floor = versionInOneHour();
    await world.scripts.openPartition(PARTITION, { floor, createGroup: true });
    await world.redis.hset(meta, 'floor', '1');
    const version = await world.save(session);
    await world.redis.hset(meta, 'serverEpoch', epoch);
    expect(await world.takeOne(session)).toMatchObject({ outcome: 'dirty', winsOver: '0' });
    const reissue = { expectedVersion: version, isDirty: true, floor };
    expect(await world.scripts.reissue(session, reissue)).toBe('superseded');
    const present = (await world.redis.hget(meta, 'epoch')) ?? '';
    const row = { state: '{}', version: floor, isTombstone: false };
    expect(await world.scripts.confirm(session, { version, epoch: present, row, ttlMs: TTL_MS })).toBe(
      'outdated',
    );
  },
);

it.each(['5 1', '5\t1', '5\n1', '5\u000b1', 'abc', '-1'])(
  'the epoch %j gets into no header, and nothing is trusted in it',
  async (epoch) => {
    const world = createWorld();
    const { scripts } = world;
    const saved = world.session('ana');
    const restored = world.session('bo');
    const compared = world.session('cleo');
    await world.open();
    const version = await cleanSession(world, compared);
    await world.redis.hset(world.keyspace.meta(PARTITION), 'epoch', epoch);

    await world.save(saved);
    expect(await world.fields(saved)).toMatchObject({ dirty: '1', savedIn: '', confirmedIn: '' });
    const row = { state: '{}', version: '7', isTombstone: false };
    const held = await missedSession(world, restored);
    expect(await scripts.restore(restored, { lease: held, ...row, ttlMs: TTL_MS })).toBe('restored');
    expect(await world.fields(restored)).toMatchObject({ version: '7', savedIn: '', confirmedIn: '' });
    const before = await world.fields(compared);
    expect(await scripts.confirm(compared, { version, epoch, row, ttlMs: TTL_MS })).toBe('superseded');
    expect(await world.fields(compared)).toEqual(before);
  },
);

const notSessions: Record<string, (world: World, key: string) => Promise<unknown>> = {
  'half a header': ({ redis }, key) => redis.hset(key, 'm', '5 10 5-5'),
  'no header': ({ redis }, key) => redis.hdel(key, 'm'),
  'a list': ({ redis }, key) => redis.multi().del(key).rpush(key, 'of a wrong type').exec(),
};

it.each(Object.entries(notSessions))(
  'a parked session of which %s is left is not discarded, and not parked again',
  async (_, spoil) => {
    const world = createWorld();
    const session = world.session();
    await world.open();
    const version = await parkedSession(world, session, 1);
    await world.scripts.sweep(PARTITION, [session.key]);
    const events = (await world.read()).map(({ id }) => id);
    await spoil(world, session.key);
    const before = await snapshot(world.redis, world.keyspace.keyPrefix);
    expect(await world.scripts.discard(session, { version })).toBe('unreadable');
    const call = { version, record: parkedRecord(version, Date.now()), eventIds: events };
    expect(await world.scripts.park(session, call)).toBe('unreadable');
    expect(await snapshot(world.redis, world.keyspace.keyPrefix)).toEqual(before);
    expect(await world.pending()).toBe(1);
  },
);

it('a clean session without a state has nothing to sync, and its events go', async () => {
  const world = createWorld();
  const session = world.session();
  await world.open();
  await world.save(session);
  const [event] = await world.read();
  await world.rewrite(session, { dirty: '0' });
  await world.redis.hdel(session.key, SESSION_HASH.state);
  expect(await world.takeOne(session)).toEqual({ outcome: 'clean' });
  expect(await world.settleOne(session, undefined, [event?.id ?? ''])).toBe('clean');
});

it.each([1e300, '9999999999999', null, {}, -1, Date.now() + 8_000_000])(
  'a parked record that is due at %j holds nothing back',
  async (retryAtMs) => {
    const world = createWorld();
    const session = world.session();
    await world.open();
    const version = await world.save(session);
    const [event] = await world.read();
    await world.scripts.park(session, {
      version,
      record: { ...parkedRecord(version, 1), retryAtMs: retryAtMs as number },
      eventIds: [event?.id ?? ''],
    });
    expect(await world.scripts.sweep(PARTITION, [session.key])).toEqual(['announced']);
  },
);

it('a session with a broken version does not make its neighbours of the same call unknown', async () => {
  const world = createWorld();
  const [good, broken] = [world.session('ana'), world.session('bo')];
  await world.rewrite(broken, { version: '007' });
  const call = { state: '{}', isTombstone: false };
  const replies = await world.scripts.save(
    [
      { ...call, session: good, opId: 'a' },
      { ...call, session: broken, opId: 'b', ifVersion: '5' },
    ],
    { maxBytes: 100 },
  );
  expect(replies.map(({ outcome }) => outcome)).toEqual(['saved', 'conflict']);
});

it('P6 a save over what lacks a header takes the lease away', async () => {
  const world = createWorld();
  const session = world.session();
  await missedSession(world, session);
  await world.redis.hset(session.key, SESSION_HASH.state, '{}');
  await world.save(session);
  expect(await world.leaseOf(session)).toBeNull();
});

it.each(['op', 'op=', 'op=x', '\n', ' a=5  b=5', 'op=1 op=2 op=3 op=4 op=5 op=6'])(
  'operations of another form, %j, keep no session from being loaded and saved',
  async (operations) => {
    const world = createWorld();
    const session = world.session();
    await world.open();
    const before = await world.save(session);
    await world.redis.hset(session.key, SESSION_HASH.header, `${before} 10 5-5 7 7  ${operations}`);
    const load = () => world.scripts.lease(session, { token: 't', leaseTtlMs: TTL_MS });
    expect(await load()).toMatchObject({ outcome: 'hit', version: before });
    const reply = await world.trySave(session, { opId: 'other' });
    expect(reply.outcome).toBe('saved');
    expect(await load()).toMatchObject({ outcome: 'hit', version: 'version' in reply && reply.version });
    expect(['saved', 'replayed']).toContain((await world.trySave(session, { opId: 'op' })).outcome);
  },
);
