import { compareVersions } from '@cauce/protocol';
import { expect, it } from 'vitest';
import { snapshot } from './snapshot.ts';
import { cleanSession, createWorld, PARTITION, versionInOneHour } from './world.ts';

it('P2 a clean session gets a new version, is announced, and is pinned until PostgreSQL has it', async () => {
  const world = createWorld();
  const session = world.session();
  await world.open();
  const expectedVersion = await cleanSession(world, session);
  expect(await world.scripts.reissue(session, { expectedVersion, isDirty: false, floor: '0' })).toBe(
    'reissued',
  );
  const [event] = await world.read();
  const fields = await world.fields(session);
  expect(fields).toMatchObject({ state: '{"step":1}', dirty: '1', event: event?.id, tombstone: '0' });
  expect(compareVersions(fields.version ?? '', expectedVersion)).toBeGreaterThan(0);
  expect(await world.floor()).toBe(fields.version);
  expect(await world.redis.pttl(session.key)).toBe(-1);
  expect(await world.redis.zscore(world.keyspace.dirty(PARTITION), session.key)).not.toBeNull();
  expect(await world.announced()).toEqual([session.key]);
});

it('P3 the new version passes the floor when the clock stepped back', async () => {
  const world = createWorld();
  const session = world.session();
  await world.open();
  const expectedVersion = await cleanSession(world, session);
  const future = versionInOneHour();
  await world.setFloor(future);
  await world.scripts.reissue(session, { expectedVersion, isDirty: false, floor: '0' });
  expect((await world.fields(session)).version).toBe(String(BigInt(future) + 1n));
});

it.each(['dirty', 'of another version', 'gone'])('a session that is %s needs no repair', async (how) => {
  const world = createWorld();
  const session = world.session();
  await world.open();
  let expectedVersion = await cleanSession(world, session);
  if (how === 'dirty') expectedVersion = await world.save(session);
  if (how === 'of another version') expectedVersion = '1763830000123000';
  if (how === 'gone') await world.redis.del(session.key);
  const before = await snapshot(world.redis, world.keyspace.keyPrefix);
  expect(await world.scripts.reissue(session, { expectedVersion, isDirty: false, floor: '0' })).toBe(
    'superseded',
  );
  expect(await snapshot(world.redis, world.keyspace.keyPrefix)).toEqual(before);
});

it('a repair does not forget which operations were applied', async () => {
  const world = createWorld();
  const session = world.session();
  await world.open();
  const reply = await world.trySave(session, { opId: 'op' });
  if (reply.outcome !== 'saved') expect.fail(reply.outcome);
  await world.settleOne(session, reply.version);
  await world.scripts.reissue(session, { expectedVersion: reply.version, isDirty: false, floor: '0' });
  expect(await world.trySave(session, { opId: 'op' })).toEqual({ ...reply, outcome: 'replayed' });
});

it('P3 P4 a dirty session passes the version of its row, and keeps its event and its age', async () => {
  const world = createWorld();
  const session = world.session();
  const floor = versionInOneHour();
  await world.scripts.openPartition(PARTITION, { floor, createGroup: true });
  await world.setFloor('5');
  const expectedVersion = await world.save(session);
  const before = await world.fields(session);
  const dirtySince = await world.redis.zscore(world.keyspace.dirty(PARTITION), session.key);
  expect(await world.scripts.reissue(session, { expectedVersion, isDirty: true, floor })).toBe('reissued');
  expect(await world.fields(session)).toEqual({ ...before, version: String(BigInt(floor) + 1n) });
  expect(await world.redis.zscore(world.keyspace.dirty(PARTITION), session.key)).toBe(dirtySince);
  expect(await world.announced()).toEqual([session.key]);
});

it('P4 a dirty session whose event is gone is announced', async () => {
  const world = createWorld();
  const session = world.session();
  await world.open();
  const expectedVersion = await world.save(session);
  await world.redis.xtrim(world.keyspace.changes(PARTITION), 'MAXLEN', 0);
  await world.scripts.reissue(session, { expectedVersion, isDirty: true, floor: '0' });
  expect(await world.announced()).toEqual([session.key]);
});

it('a session settled since is not made dirty', async () => {
  const world = createWorld();
  const session = world.session();
  await world.open();
  const expectedVersion = await cleanSession(world, session);
  const call = { expectedVersion, isDirty: true, floor: versionInOneHour() };
  expect(await world.scripts.reissue(session, call)).toBe('superseded');
});
