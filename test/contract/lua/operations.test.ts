import { parseHeader, SESSION_HASH, type StoredSession } from '@cauce/protocol';
import { describe, expect, it } from 'vitest';
import {
  cleanSession,
  createWorld,
  missedSession,
  PARTITION,
  TTL_MS,
  versionInOneHour,
  type World,
} from './world.ts';

const operations = 'op4=1763830000000004 op-3=3 op_2=2 op1=1';
const ttlMs = TTL_MS;

/** Each puts a row into Redis in another way. */
const ways: Record<string, (world: World, row: StoredSession) => Promise<unknown>> = {
  restore: async ({ scripts, session, ...world }, row) =>
    scripts.restore(session(), {
      ...row,
      lease: await missedSession({ scripts, session, ...world }, session()),
      ttlMs,
    }),
  async confirm(world, row) {
    const { redis, keyspace, scripts, session } = world;
    const version = await cleanSession(world, session());
    await redis.hset(keyspace.meta(PARTITION), 'epoch', '7');
    return scripts.confirm(session(), { version, epoch: '7', row, ttlMs });
  },
  async adopt(world, row) {
    const losingVersion = await world.save(world.session());
    return world.scripts.adopt(world.session(), { ...row, losingVersion, ttlMs });
  },
};

describe.each(Object.keys(ways))('%s', (way) => {
  async function putRow(of: string | undefined): Promise<World> {
    const world = createWorld();
    await world.open();
    const row = { state: '{"n":1}', version: versionInOneHour(), isTombstone: false, operations: of };
    expect(['restored', 'adopted']).toContain(await ways[way]?.(world, row));
    return world;
  }

  it('P1 brings the last operations of the row with it, and a repeated one is recognised', async () => {
    const world = await putRow(operations);
    const session = world.session();
    expect(await world.fields(session)).toMatchObject({ operations });
    for (const [opId, version] of [
      ['op4', '1763830000000004'],
      ['op1', '1'],
    ] as const) {
      expect(await world.trySave(session, { opId })).toMatchObject({ outcome: 'replayed', version });
    }
    const saved = await world.trySave(session, { opId: 'op5' });
    expect(saved.outcome).toBe('saved');
    const { version } = await world.fields(session);
    expect((await world.fields(session)).operations).toBe(
      `op5=${version} ${operations.replace(' op1=1', '')}`,
    );
  });

  it.each([
    undefined,
    '',
    ' ',
    ' op=1',
    'op=1 ',
    'op=1  op2=2',
    'op=1\nop2=2',
    'op',
    'op=',
    '=1',
    'op=0',
    'op=05',
    'op=x',
    'op=1x',
    'op=1 op',
    'op=1=2',
    'öp=1',
    'op\0=1',
    'a=1 b=1 c=1 d=1 e=1',
    `${'a'.repeat(400)}=1`,
  ])('P9 takes %j for none, and the session is like any other', async (broken) => {
    const world = await putRow(broken);
    const session = world.session();
    expect(await world.fields(session)).toMatchObject({ operations: '' });
    expect(parseHeader((await world.redis.hget(session.key, SESSION_HASH.header)) ?? '')).toMatchObject({
      operations: [],
    });
    expect(await world.trySave(session, { opId: 'op' })).toMatchObject({ outcome: 'saved' });
  });
});

describe('take', () => {
  it('gives the last four, newest first', async () => {
    const world = createWorld();
    const session = world.session();
    const versions: string[] = [];
    for (const opId of ['a', 'b', 'c', 'd', 'e']) {
      await world.trySave(session, { opId });
      versions.unshift((await world.fields(session)).version ?? '');
    }
    const [e, d, c, b] = versions;
    expect(await world.takeOne(session)).toMatchObject({
      outcome: 'dirty',
      operations: `e=${e} d=${d} c=${c} b=${b}`,
    });
  });

  it.each(['op', 'op=', 'op=0', 'öp=1', 'op\0=1', 'op=1 ', 'a=1 b=1 c=1 d=1 e=1'])(
    'P9 gives none for %j, so that PostgreSQL takes the row',
    async (broken) => {
      const world = createWorld();
      await world.save(world.session());
      await world.rewrite(world.session(), { operations: broken });
      const taken = await world.takeOne(world.session());
      expect(taken).toMatchObject({ outcome: 'dirty' });
      expect('operations' in taken && taken.operations).toBeUndefined();
    },
  );
});

describe("a save with '*'", () => {
  const any = { ifVersion: '*' };

  it('P1 is not applied where the session is absent, unless the lease says that it is in neither store', async () => {
    const world = createWorld();
    const session = world.session();
    await world.open();
    const absent = { outcome: 'conflict', version: '0' };
    expect(await world.trySave(session, any)).toEqual(absent);
    const lease = await missedSession(world, session);
    expect(await world.trySave(session, { ...any, lease: `${lease}x` })).toEqual(absent);
    expect(await world.trySave(session, any)).toEqual(absent);
    expect(await world.trySave(session, { ...any, lease })).toMatchObject({ outcome: 'saved' });
  });

  it('is applied over any version that was saved in this epoch, also over a deleted session', async () => {
    const world = createWorld();
    const session = world.session();
    await world.open();
    await world.save(session);
    expect(await world.trySave(session, any)).toMatchObject({ outcome: 'saved' });
    await world.trySave(session, { state: '', isTombstone: true });
    expect(await world.trySave(session, any)).toMatchObject({ outcome: 'saved' });
  });

  it('P1 is not applied over a session of an earlier epoch before it was loaded: Redis may have gone back', async () => {
    const world = createWorld();
    const session = world.session();
    await world.open();
    const version = await world.save(session);
    await world.redis.hset(world.keyspace.meta(PARTITION), 'epoch', '7');
    expect(await world.trySave(session, any)).toEqual({ outcome: 'conflict', version });
    expect(await world.trySave(session, { ...any, epoch: '7' })).toMatchObject({ outcome: 'saved' });
  });
});
