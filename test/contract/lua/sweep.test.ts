import { type LocatedSession, SYNC_GROUP } from '@cauce/protocol';
import { expect, it } from 'vitest';
import { snapshot } from './snapshot.ts';
import { cleanSession, createWorld, PARTITION, parkedSession, type World } from './world.ts';

async function sweepOne(world: World, session: LocatedSession, ignoreRetryAt = false): Promise<string> {
  const [outcome] = await world.scripts.sweep(PARTITION, [session.key], { ignoreRetryAt });
  return outcome ?? expect.fail('sweep answered nothing');
}

/** The session has exactly one event, the one it knows, and a reader gets it. */
async function expectDelivered(world: World, session: LocatedSession): Promise<void> {
  const { event } = await world.fields(session);
  expect(await world.announced()).toEqual([session.key]);
  await world.open();
  expect(await world.read('reader')).toEqual([{ id: event, key: session.key }]);
}

async function expectNothingChanges(world: World, act: () => Promise<void>): Promise<void> {
  const before = await snapshot(world.redis, world.keyspace.keyPrefix);
  await act();
  expect(await snapshot(world.redis, world.keyspace.keyPrefix)).toEqual(before);
}

const losses: Record<string, (world: World) => Promise<unknown>> = {
  'trimmed before it was read': ({ redis, keyspace }) =>
    redis.xtrim(keyspace.changes(PARTITION), 'MAXLEN', 0),
  'deleted with the stream': ({ redis, keyspace }) => redis.del(keyspace.changes(PARTITION)),
  'trimmed while it was pending': async (world) => {
    await world.read();
    await world.redis.xtrim(world.keyspace.changes(PARTITION), 'MAXLEN', 0);
  },
  'dropped with its consumer by XGROUP DELCONSUMER': async (world) => {
    await world.read('leaver');
    await world.redis.xgroup('DELCONSUMER', world.keyspace.changes(PARTITION), SYNC_GROUP, 'leaver');
  },
  'skipped by a group created at $': async (world) => {
    const changes = world.keyspace.changes(PARTITION);
    await world.redis.xgroup('DESTROY', changes, SYNC_GROUP);
    await world.redis.xgroup('CREATE', changes, SYNC_GROUP, '$');
  },
  'acknowledged by a stranger': async (world) => {
    const [event] = await world.read();
    await world.redis.xack(world.keyspace.changes(PARTITION), SYNC_GROUP, event?.id ?? '');
  },
};

it.each(Object.entries(losses))('P4 an event %s is replaced by one that a reader gets', async (_, lose) => {
  const world = createWorld();
  const session = world.session();
  await world.open();
  await world.save(session);
  await lose(world);
  expect(await sweepOne(world, session)).toBe('announced');
  await expectDelivered(world, session);
});

it('P8 swept again, the session is waiting and gets no second event', async () => {
  const world = createWorld();
  await world.save(world.session());
  await world.redis.del(world.keyspace.changes(PARTITION));
  await sweepOne(world, world.session());
  await expectNothingChanges(world, async () => {
    expect(await sweepOne(world, world.session())).toBe('waiting');
  });
});

it.each(['unread', 'pending', 'without a group', 'group recreated at 0'])(
  'P8 an event that will arrive (%s) is left alone',
  async (how) => {
    const world = createWorld();
    const { redis, keyspace } = world;
    await world.open();
    await world.save(world.session());
    if (how !== 'unread') await world.read();
    if (how.includes('group')) await redis.xgroup('DESTROY', keyspace.changes(PARTITION), SYNC_GROUP);
    if (how === 'group recreated at 0') await world.open();
    await expectNothingChanges(world, async () => {
      expect(await sweepOne(world, world.session())).toBe('waiting');
    });
  },
);

it('P9 a parked session waits until its time has come', async () => {
  const world = createWorld();
  await world.open();
  await parkedSession(world, world.session(), Date.now() + 3_600_000);
  await expectNothingChanges(world, async () => {
    expect(await sweepOne(world, world.session())).toBe('parked');
  });
});

it('P9 a parked session whose time has come is announced and keeps its record', async () => {
  const world = createWorld();
  await world.open();
  await parkedSession(world, world.session(), Date.now() - 1);
  expect(await sweepOne(world, world.session())).toBe('announced');
  expect(await world.redis.hlen(world.keyspace.parked(PARTITION))).toBe(1);
  await expectDelivered(world, world.session());
});

it('P9 asked to ignore the retry times, sweep announces every parked session', async () => {
  const world = createWorld();
  await world.open();
  await parkedSession(world, world.session(), Date.now() + 3_600_000);
  expect(await sweepOne(world, world.session(), true)).toBe('announced');
  await expectDelivered(world, world.session());
});

it.each(['not json', '7', '{}', '{"retryAtMs":null}', '{"retryAtMs":{}}'])(
  'P9 a record nobody can read (%s) holds back neither its session nor the neighbours',
  async (record) => {
    const world = createWorld();
    const sessions = [world.session('ana'), world.session('bo')];
    for (const session of sessions) await world.save(session);
    await world.redis.del(world.keyspace.changes(PARTITION));
    await world.redis.hset(world.keyspace.parked(PARTITION), world.session('ana').key, record);
    expect(
      await world.scripts.sweep(
        PARTITION,
        sessions.map(({ key }) => key),
      ),
    ).toEqual(['announced', 'announced']);
  },
);

it.each(['clean', 'vanished'])('a session that is %s leaves the index', async (how) => {
  const world = createWorld();
  const session = world.session();
  const dirty = world.keyspace.dirty(PARTITION);
  await world.open();
  await cleanSession(world, session);
  if (how === 'vanished') await world.redis.del(session.key);
  await world.redis.zadd(dirty, 1, session.key);
  expect(await sweepOne(world, session)).toBe('clean');
  expect(await world.redis.exists(dirty)).toBe(0);
  expect(await world.redis.exists(session.key)).toBe(how === 'clean' ? 1 : 0);
});

it('a parked session that vanished is not counted as parked for ever', async () => {
  const world = createWorld();
  await world.open();
  await parkedSession(world, world.session('ana'));
  await parkedSession(world, world.session('bo'));
  await world.redis.del(world.session('ana').key);
  expect(await sweepOne(world, world.session('ana'))).toBe('clean');
  expect(await world.redis.hkeys(world.keyspace.parked(PARTITION))).toEqual([world.session('bo').key]);
});

it('answers every session in the order asked for', async () => {
  const world = createWorld();
  const [lost, clean, parked, waiting] = [
    world.session('lost'),
    world.session('clean'),
    world.session('parked'),
    world.session('waiting'),
  ];
  await world.open();
  await cleanSession(world, clean);
  await parkedSession(world, parked);
  await world.save(lost);
  await world.redis.xtrim(world.keyspace.changes(PARTITION), 'MAXLEN', 0);
  await world.save(waiting);
  const keys = [lost, clean, parked, waiting].map(({ key }) => key);
  expect(await world.scripts.sweep(PARTITION, keys)).toEqual(['announced', 'clean', 'parked', 'waiting']);
});

it('P4 a ghost in the stream is removed when it is replaced', async () => {
  const world = createWorld();
  const session = world.session();
  await world.open();
  await world.save(session);
  await losses['dropped with its consumer by XGROUP DELCONSUMER']?.(world);
  expect(await world.announced()).toHaveLength(1);
  expect(await sweepOne(world, session)).toBe('announced');
  expect(await world.announced()).toHaveLength(1);
});

it('another group on the stream does not hide a lost event', async () => {
  const world = createWorld();
  const session = world.session();
  const changes = world.keyspace.changes(PARTITION);
  await world.open();
  await world.redis.xgroup('CREATE', changes, 'a-spy', '0');
  await world.redis.xgroup('CREATE', changes, 'z-spy', '0');
  await world.save(session);
  await world.read('leaver');
  await world.redis.xgroup('DELCONSUMER', changes, SYNC_GROUP, 'leaver');
  expect(await sweepOne(world, session)).toBe('announced');
});
