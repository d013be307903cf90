import { compareVersions, type SaveCall } from '@cauce/protocol';
import { expect, it } from 'vitest';
import { isolatedRedis, uniqueName } from '../../helpers/isolated.ts';
import { snapshot } from './snapshot.ts';
import { createWorld } from './world.ts';

const LIMIT = { maxBytes: 100 };

const saveOf = (session: SaveCall['session'], more: Partial<SaveCall> = {}): SaveCall => ({
  ...{ session, state: `"${session.ref.userId}"`, isTombstone: false, opId: uniqueName() },
  ...more,
});

it('saves of one call are answered each for itself, in order', async () => {
  const { scripts, session, save, fields } = createWorld();
  const version = await save(session('held'));
  const saves = [
    saveOf(session('new')),
    saveOf(session('held'), { ifVersion: '1' }),
    saveOf(session('large'), { state: `"${'x'.repeat(100)}"` }),
    saveOf(session('held'), { state: '"second"', ifVersion: version, opId: 'op' }),
    saveOf(session('held'), { state: '"second"', opId: 'op' }),
    saveOf(session('gone'), { state: '', isTombstone: true }),
  ];
  const replies = await scripts.save(saves, LIMIT);
  const second = (await fields(session('held'))).version;
  expect(replies).toEqual([
    { outcome: 'saved', period: '0', version: (await fields(session('new'))).version },
    { outcome: 'conflict', version },
    { outcome: 'too_large', bytes: 102 },
    { outcome: 'saved', period: '0', version: second },
    { outcome: 'replayed', period: '0', version: second },
    { outcome: 'saved', period: '0', version: (await fields(session('gone'))).version },
  ]);
  expect(await fields(session('new'))).toMatchObject({ state: '"new"', tombstone: '0' });
  expect(await fields(session('held'))).toMatchObject({ state: '"second"', tombstone: '0' });
  expect(await fields(session('gone'))).toMatchObject({ state: '', tombstone: '1' });
});

it('P3 saves of one session in one call get versions that grow, and one event', async () => {
  const { scripts, session, announced } = createWorld();
  const saves = Array.from({ length: 6 }, (_, i) => saveOf(session(), { state: String(i) }));
  const replies = await scripts.save(saves, LIMIT);
  const versions = replies.map((reply) => ('version' in reply ? reply.version : expect.fail(reply.outcome)));
  expect(versions.toSorted(compareVersions)).toEqual(versions);
  expect(new Set(versions).size).toBe(6);
  expect(await announced()).toEqual([session().key]);
});

it('saves of one call may be of different partitions', async () => {
  const { redis, keyspace, scripts } = isolatedRedis({ partitions: 4 });
  const sessions = Array.from({ length: 12 }, (_, i) =>
    keyspace.locate({ tenantId: 'acme', userId: `u${i}` }),
  );
  await scripts.save(
    sessions.map((session) => saveOf(session)),
    LIMIT,
  );
  for (const { key, partition, ref } of sessions) {
    expect(await redis.hget(key, 's')).toBe(`"${ref.userId}"`);
    const announced = await redis.xrange(keyspace.changes(partition), '-', '+');
    expect(announced.map(([, [, name]]) => name)).toContain(key);
  }
  expect(new Set(sessions.map(({ partition }) => partition)).size).toBeGreaterThan(1);
});

it.each(['session', 'changes', 'dirty', 'meta'] as const)(
  'P1 a save that fails on its %s leaves nothing behind, and the others of the call are saved',
  async (which) => {
    const { redis, keyspace, scripts } = isolatedRedis({ partitions: 4 });
    const sessions = ['u0', 'u1', 'u2', 'u3', 'u4', 'u5'].map((userId) =>
      keyspace.locate({ tenantId: 'acme', userId }),
    );
    const bad = sessions[2] ?? expect.fail();
    const key = which === 'session' ? bad.key : keyspace[which](bad.partition);
    await redis.rpush(key, 'of a wrong type');
    const isBad = ({ partition, key }: SaveCall['session']) =>
      which === 'session' ? key === bad.key : partition === bad.partition;
    const ofBad = `${keyspace.keyPrefix}:{${bad.partition}}`;
    const before = await snapshot(redis, ofBad);

    const saving = scripts.save(
      sessions.map((session) => saveOf(session)),
      LIMIT,
    );
    await expect(saving).resolves.toHaveLength(sessions.length);
    (await saving).forEach((reply, i) => {
      if (!isBad(sessions[i] ?? expect.fail())) expect(reply.outcome).toBe('saved');
      else {
        expect(reply).toMatchObject({
          outcome: 'failed',
          error: { code: 'REDIS_REFUSED', failure: { effect: 'refused', reason: 'WRONGTYPE' } },
        });
      }
    });
    expect(sessions.filter(isBad).length).toBeLessThan(sessions.length);
    if (which !== 'session') expect(await snapshot(redis, ofBad)).toEqual(before);
  },
);
