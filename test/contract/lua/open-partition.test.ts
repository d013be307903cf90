import {
  createKeyspace,
  createScripts,
  PARTITION_HASH,
  PROTOCOL_VERSION,
  protocolProblem,
  SYNC_GROUP,
} from '@cauce/protocol';
import { describe, expect, it } from 'vitest';
import { snapshot } from './snapshot.ts';
import { createWorld, PARTITION } from './world.ts';

const bot = { floor: '0', createGroup: false };
const consumer = { floor: '0', createGroup: true };
const anEpoch = expect.stringMatching(/^\d{13}$/);

it('the first contact pins the layout, later ones find it', async () => {
  const { redis, scripts, keyspace } = createWorld();
  expect(await scripts.openPartition(PARTITION, bot)).toEqual({
    outcome: 'created',
    isSeeded: false,
    epoch: anEpoch,
    serverEpoch: anEpoch,
  });
  expect(await redis.hgetall(keyspace.meta(PARTITION))).toEqual({
    partitions: '1',
    hash: PARTITION_HASH,
    protocol: String(PROTOCOL_VERSION),
    minProtocol: String(PROTOCOL_VERSION),
    floor: expect.stringMatching(/^\d{16}$/),
    epoch: anEpoch,
    server: expect.stringMatching(/^[0-9a-f]{80}$/),
    serverEpoch: anEpoch,
    epochEndsAtMs: anEpoch,
  });
  expect(await scripts.openPartition(PARTITION, bot)).toEqual({
    outcome: 'opened',
    isSeeded: false,
    epoch: anEpoch,
    serverEpoch: anEpoch,
  });
});

it('F10 another partition count is refused with what the data was written with, and nothing is changed', async () => {
  const { redis, scripts, keyspace } = createWorld();
  await scripts.openPartition(PARTITION, bot);
  const other = createKeyspace({ keyPrefix: keyspace.keyPrefix, partitions: 8 });
  const before = await snapshot(redis, keyspace.keyPrefix);
  expect(
    await createScripts({ redis, keyspace: other }, { timeoutMs: 5000 }).openPartition(PARTITION, {
      floor: '1763830000123000',
      createGroup: true,
    }),
  ).toEqual({
    outcome: 'mismatch',
    partitions: '1',
    hash: PARTITION_HASH,
    protocol: String(PROTOCOL_VERSION),
    minProtocol: String(PROTOCOL_VERSION),
  });
  expect(await snapshot(redis, keyspace.keyPrefix)).toEqual(before);
});

it.each(['hash', 'protocol'])('F10 another %s is refused', async (field) => {
  const { redis, scripts, keyspace } = createWorld();
  await scripts.openPartition(PARTITION, bot);
  await redis.hset(keyspace.meta(PARTITION), field, 'of another release');
  expect(await scripts.openPartition(PARTITION, bot)).toMatchObject({
    outcome: 'mismatch',
    [field]: 'of another release',
  });
  await redis.hdel(keyspace.meta(PARTITION), field);
  expect(await scripts.openPartition(PARTITION, bot)).toMatchObject({ outcome: 'mismatch', [field]: '' });
});

it('P4 the group starts at 0: what was announced before it existed is read', async () => {
  const world = createWorld();
  await world.save(world.session());
  await world.scripts.openPartition(PARTITION, consumer);
  expect((await world.read()).map(({ key }) => key)).toEqual([world.session().key]);
});

it('P4 opening again leaves the group and what is pending in it alone', async () => {
  const world = createWorld();
  await world.open();
  await world.save(world.session());
  await world.read();
  const before = await snapshot(world.redis, world.keyspace.keyPrefix);
  await world.open();
  expect(await snapshot(world.redis, world.keyspace.keyPrefix)).toEqual(before);
});

it('P4 a destroyed group is created again and delivers what still waits', async () => {
  const world = createWorld();
  await world.open();
  await world.save(world.session());
  await world.read();
  await world.redis.xgroup('DESTROY', world.keyspace.changes(PARTITION), SYNC_GROUP);
  await world.open();
  expect(await world.read()).toHaveLength(1);
});

it('a bot creates neither stream nor group', async () => {
  const { redis, scripts, keyspace } = createWorld();
  await scripts.openPartition(PARTITION, bot);
  expect(await redis.exists(keyspace.changes(PARTITION))).toBe(0);
});

it('P3 the floor is raised, never lowered, and 0 leaves it alone', async () => {
  const world = createWorld();
  const open = (floor: string) => world.scripts.openPartition(PARTITION, { floor, createGroup: false });
  await open('0');
  await world.setFloor('5');
  await open('0');
  expect(await world.floor()).toBe('5');
  expect(await open('1763830000123000')).toMatchObject({ isSeeded: true });
  for (const floor of ['0', '1763830000122999', '1763830000123000', '999']) {
    expect(await open(floor)).toMatchObject({ isSeeded: true });
    expect(await world.floor()).toBe('1763830000123000');
  }
  await open('1763830000123001');
  expect(await world.floor()).toBe('1763830000123001');
});

it('P3 says whether a floor was ever given, however many versions were issued without', async () => {
  const world = createWorld();
  const open = (floor: string) => world.scripts.openPartition(PARTITION, { floor, createGroup: false });
  await world.save(world.session());
  expect(await open('0')).toMatchObject({ outcome: 'created', isSeeded: false });
  expect(await open('1')).toMatchObject({ outcome: 'opened', isSeeded: true });
  expect(await open('0')).toMatchObject({ isSeeded: true });
});

describe('the table the sessions are synced to', () => {
  const ours = { id: '6f1c0a52-0000-4000-8000-000000000001', name: 'public.session of database bots' };
  const theirs = { id: '6f1c0a52-0000-4000-8000-000000000002', name: 'public.session of database staging' };
  const withTable = { floor: '1', createGroup: true, table: ours };

  it('is remembered together with a floor, and returned to every caller', async () => {
    const { scripts } = createWorld();
    expect(await scripts.openPartition(PARTITION, bot)).toMatchObject({ syncedTo: undefined });
    const look = { ...withTable, floor: '0' };
    expect(await scripts.openPartition(PARTITION, look)).toMatchObject({ syncedTo: undefined });
    expect(await scripts.openPartition(PARTITION, withTable)).toMatchObject({
      outcome: 'opened',
      syncedTo: ours,
    });
    expect(await scripts.openPartition(PARTITION, bot)).toMatchObject({ outcome: 'opened', syncedTo: ours });
  });

  it('is never another one: a call with another table gets the name of the right one, and nothing is changed', async () => {
    const { scripts, redis, keyspace } = createWorld();
    await scripts.openPartition(PARTITION, withTable);
    await redis.hset(keyspace.meta(PARTITION), 'server', 'another');
    const before = await snapshot(redis, keyspace.keyPrefix);
    for (const floor of ['0', '2763830000123000']) {
      expect(
        await scripts.openPartition(PARTITION, { floor, createGroup: true, table: theirs }),
      ).toMatchObject({ outcome: 'other_table', syncedTo: ours });
    }
    expect(await snapshot(redis, keyspace.keyPrefix)).toEqual(before);
  });

  it('nothing is taken for another table', async () => {
    const world = createWorld();
    const session = world.session();
    const take = (table?: string) => world.scripts.take(PARTITION, [session.key], { table });
    await world.save(session);
    expect((await take(theirs.id)).taken).toMatchObject([{ outcome: 'dirty' }]);
    await world.scripts.openPartition(PARTITION, withTable);
    expect((await take(ours.id)).taken).toMatchObject([{ outcome: 'dirty' }]);
    expect((await take()).taken).toMatchObject([{ outcome: 'dirty' }]);
    await expect(take(theirs.id)).rejects.toMatchObject({
      failure: { reason: 'NOTOPENED', effect: 'refused' },
    });
  });
});

it.each([
  ['that was written with protocol 1', { protocol: '1' }, /drain Redis with the release that wrote it/],
  [
    'of which only the protocol is left',
    { partitions: null, protocol: '1' },
    /drain Redis with the release that wrote it/,
  ],
  [
    'that takes a later release',
    { protocol: '7', minProtocol: '3' },
    /reads protocol 3: upgrade this process/,
  ],
  ['whose lowest protocol is no number', { protocol: '2', minProtocol: 'abc' }, /reads protocol abc/],
])('data %s is refused with what to do about it, and nothing is changed', async (_, written, problem) => {
  const { redis, scripts, keyspace } = createWorld();
  const fields = Object.entries({ partitions: '1', hash: PARTITION_HASH, ...written });
  for (const [field, text] of fields)
    if (text !== null) await redis.hset(keyspace.meta(PARTITION), field, text);
  const before = await snapshot(redis, keyspace.keyPrefix);
  for (const caller of [bot, consumer]) {
    const reply = await scripts.openPartition(PARTITION, caller);
    if (reply.outcome !== 'mismatch') expect.fail(reply.outcome);
    expect(protocolProblem(reply)).toMatch(problem);
  }
  expect(await snapshot(redis, keyspace.keyPrefix)).toEqual(before);
});

it('data of a later protocol that this one may read is opened, and stays of that protocol', async () => {
  const { redis, scripts, keyspace } = createWorld();
  const written = { partitions: '1', hash: PARTITION_HASH, protocol: '3', minProtocol: '2' };
  await redis.hset(keyspace.meta(PARTITION), written);
  expect(await scripts.openPartition(PARTITION, consumer)).toMatchObject({ outcome: 'opened' });
  expect(await redis.hgetall(keyspace.meta(PARTITION))).toMatchObject(written);
});
