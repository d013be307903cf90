import { startRedis } from '@cauce/dev-services';
import { createScripts, type Scripts } from '@cauce/protocol';
import { beforeAll, expect, it } from 'vitest';
import { connectRedis, uniqueName } from '../../helpers/isolated.ts';
import { scriptCases, scriptMethods } from './script-cases.ts';
import { snapshot } from './snapshot.ts';
import { cleanSession, createWorld, PARTITION, saveOne, TTL_MS, type World } from './world.ts';

let url = '';

beforeAll(async () => {
  const server = await startRedis({ appendOnly: false });
  url = server.url;
  return () => server.stop();
});

/** What a call rejects with when Redis says that it did not apply it. */
const refused = expect.objectContaining({ failure: expect.objectContaining({ effect: 'refused' }) });

/** The scripts as a user who may do everything but one command. */
async function withoutCommand(world: World, command: string): Promise<Scripts> {
  const user = uniqueName();
  await world.redis.call('ACL', 'SETUSER', user, 'on', 'nopass', '~*', '+@all', `-${command}`);
  const redis = connectRedis(url.replace('redis://', `redis://${user}:any@`));
  return createScripts({ redis, keyspace: world.keyspace }, { timeoutMs: 5000 });
}

const save = { state: '{"step":2}', isTombstone: false, maxBytes: 1000 };

it.each(['save', 'reissue'] as const)(
  'P1 %s on a stream that takes no more events leaves nothing behind',
  async (method) => {
    const world = createWorld({ url });
    const { prepare, run } = scriptCases(world)[method];
    await prepare();
    const changes = world.keyspace.changes(PARTITION);
    await world.redis.del(changes);
    await world.redis.xadd(changes, '18446744073709551615-18446744073709551615', 'k', 'last');
    const before = await snapshot(world.redis, world.keyspace.keyPrefix);
    await expect(run()).rejects.toEqual(refused);
    expect(await snapshot(world.redis, world.keyspace.keyPrefix)).toEqual(before);
  },
);

const savesCommands = ['hmget', 'hget', 'time', 'zcard', 'xadd', 'zadd', 'persist', 'hset'];
const firstWrite = savesCommands.indexOf('xadd');

it.each(savesCommands)(
  'P1 a save by a user who lacks %s is refused and the session is as it was',
  async (command) => {
    const world = createWorld({ url });
    const session = world.session();
    await world.open();
    const version = await cleanSession(world, session);
    const before = await snapshot(world.redis, world.keyspace.keyPrefix);
    const fields = await world.fields(session);

    const poor = await withoutCommand(world, command);
    await expect(saveOne(poor, session, { ...save, opId: 'op' })).rejects.toEqual(refused);
    expect(await world.fields(session)).toEqual(fields);
    if (savesCommands.indexOf(command) <= firstWrite) {
      expect(await snapshot(world.redis, world.keyspace.keyPrefix)).toEqual(before);
    }

    // What was written before the refusal says nothing to a consumer and goes with the next settle and sweep.
    const events = await world.read();
    expect(await world.takeOne(session)).toEqual({ outcome: 'clean' });
    await world.settleOne(
      session,
      undefined,
      events.map(({ id }) => id),
    );
    await world.scripts.sweep(PARTITION, [session.key]);
    expect(await world.redis.zcard(world.keyspace.dirty(PARTITION))).toBe(0);
    expect([await world.announced(), await world.pending()]).toEqual([[], 0]);
    expect(await world.redis.pttl(session.key), 'has a TTL').toBeGreaterThan(0);

    // It was not applied, so the same op id is not answered as if it had been.
    const reply = await saveOne(world.scripts, session, { ...save, opId: 'op', ifVersion: version });
    expect(reply.outcome).toBe('saved');
  },
);

it.each(['hmget', 'hget', 'time', 'zadd', 'hset'])(
  'P1 a second save by a user who lacks %s is refused and the session is as it was',
  async (command) => {
    const world = createWorld({ url });
    const session = world.session();
    await world.open();
    const version = await world.save(session);
    const fields = await world.fields(session);
    const poor = await withoutCommand(world, command);
    await expect(saveOne(poor, session, { ...save, opId: 'op' })).rejects.toEqual(refused);
    expect(await world.fields(session)).toEqual(fields);
    const reply = await saveOne(world.scripts, session, { ...save, opId: 'op', ifVersion: version });
    expect(reply.outcome).toBe('saved');
  },
);

it('P1 a first save by a user who lacks del is refused and there is no session', async () => {
  const world = createWorld({ url });
  const session = world.session();
  await world.open();
  const poor = await withoutCommand(world, 'del');
  await expect(saveOne(poor, session, { ...save, opId: 'op' })).rejects.toEqual(refused);
  expect(await world.redis.exists(session.key)).toBe(0);
});

it.each(['dirty', 'meta'] as const)(
  'P1 a second save fails when %s is of a wrong type and has then changed nothing',
  async (kind) => {
    const world = createWorld({ url });
    const session = world.session();
    await world.save(session);
    const key = world.keyspace[kind](PARTITION);
    await world.redis.del(key);
    await world.redis.rpush(key, 'of a wrong type');
    const before = await snapshot(world.redis, world.keyspace.keyPrefix);
    await expect(world.trySave(session)).rejects.toMatchObject({ failure: { reason: 'WRONGTYPE' } });
    expect(await snapshot(world.redis, world.keyspace.keyPrefix)).toEqual(before);
  },
);

it.each(['xadd', 'zadd', 'persist', 'hset'])(
  'P2 a reissue by a user who lacks %s is refused and the session is as it was',
  async (command) => {
    const world = createWorld({ url });
    const session = world.session();
    await world.open();
    const expectedVersion = await cleanSession(world, session);
    const fields = await world.fields(session);
    const poor = await withoutCommand(world, command);
    await expect(poor.reissue(session, { expectedVersion, isDirty: false, floor: '0' })).rejects.toEqual(
      refused,
    );
    expect(await world.fields(session)).toEqual(fields);
  },
);

it.each(['xinfo', 'xpending', 'xack', 'xtrim', 'xdel', 'hget', 'hset', 'pexpire', 'zrem'])(
  'P4 a settle by a user who lacks %s is refused, and the session is synced again',
  async (command) => {
    const world = createWorld({ url });
    const session = world.session();
    await world.open();
    // Its event stays pending, so that XTRIM does not do the work of XDEL.
    await world.save(world.session('bo'));
    await world.read('another');
    const version = await world.save(session);
    const eventIds = (await world.read()).map(({ id }) => id);
    const poor = await withoutCommand(world, command);
    const settled = [{ key: session.key, written: version, eventIds }];
    await expect(poor.settle(PARTITION, settled, { ttlMs: TTL_MS, takenAtUs: '1' })).rejects.toEqual(refused);
    await world.scripts.sweep(PARTITION, [session.key]);
    await world.settleOne(session, version, eventIds);
    expect(await world.fields(session)).toMatchObject({ version: version, dirty: '0' });
    expect(await world.redis.pttl(session.key), 'has a TTL').toBeGreaterThan(0);
    expect(await world.redis.zrange(world.keyspace.dirty(PARTITION), '0', '-1')).toEqual([
      world.session('bo').key,
    ]);
  },
);

it.each(['xinfo', 'xpending', 'exists'])(
  'P4 a sweep by a user who lacks %s says so, it does not take every event for alive',
  async (command) => {
    const world = createWorld({ url });
    await world.open();
    await world.save(world.session());
    await world.read();
    const poor = await withoutCommand(world, command);
    const before = await snapshot(world.redis, world.keyspace.keyPrefix);
    await expect(poor.sweep(PARTITION, [world.session().key])).rejects.toEqual(refused);
    expect(await snapshot(world.redis, world.keyspace.keyPrefix)).toEqual(before);
  },
);

it('P1 too few replicas refuse a save before it starts, and reading goes on', async () => {
  const world = createWorld({ url });
  const session = world.session();
  const version = await world.save(session);
  const before = await snapshot(world.redis, world.keyspace.keyPrefix);
  await world.redis.config('SET', 'min-replicas-to-write', 1);
  try {
    await expect(world.trySave(session)).rejects.toMatchObject({
      failure: { reason: 'NOREPLICAS', retryable: true },
    });
    expect(await world.takeOne(session)).toMatchObject({ outcome: 'dirty', version });
    expect(await snapshot(world.redis, world.keyspace.keyPrefix)).toEqual(before);
  } finally {
    await world.redis.config('SET', 'min-replicas-to-write', 0);
  }
});

const writes = ['del', 'hdel', 'hset', 'persist', 'pexpire', 'xack', 'xadd', 'xdel', 'xtrim', 'zadd', 'zrem'];
const ofSessions = scriptMethods.filter((method) => !['forgetConsumer', 'cacheTenant'].includes(method));

it.each(ofSessions.flatMap((method) => writes.map((command) => [method, command] as const)))(
  'P2 after a %s by a user who lacks %s no dirty session has a TTL, and every clean one has',
  async (method, command) => {
    const world = createWorld({ url });
    const scripts = { ...world.scripts };
    const { prepare, run } = scriptCases({ ...world, scripts })[method];
    await prepare();
    await world.open();
    Object.assign(scripts, await withoutCommand(world, command));
    await run().catch((error: unknown) => expect(error).toEqual(refused));
    // Then a consumer that has the right.
    for (const { id, key } of await world.read()) {
      const session = world.session(key.slice(-2));
      if ((await world.takeOne(session)).outcome === 'clean') await world.settleOne(session, undefined, [id]);
    }
    for (const user of ['s1', 's2', 's3']) {
      const session = world.session(user);
      const { dirty } = await world.fields(session);
      if (dirty === undefined) continue;
      expect((await world.redis.pttl(session.key)) > 0, `${user} has a TTL`).toBe(dirty === '0');
      const isIndexed = (await world.redis.zscore(world.keyspace.dirty(PARTITION), session.key)) !== null;
      // What is clean leaves the index with the next sweep.
      if (dirty === '1') expect(isIndexed, `${user} is in the index`).toBe(true);
    }
  },
);
