import { type Scripts, SESSION_HASH, SYNC_GROUP } from '@cauce/protocol';
import type { Redis } from 'ioredis';
import { cleanSession, PARTITION, parkedRecord, parkedSession, TTL_MS, type World } from './world.ts';

export type ScriptMethod = keyof Scripts;

/** A call in which the script has something to write. */
interface ScriptCase {
  /** Makes the data the call works on. */
  prepare(): Promise<void>;
  run(): Promise<unknown>;
}

/** One call of every script; batch scripts get three sessions. The type makes it complete. */
export function scriptCases(world: World): Record<ScriptMethod, ScriptCase> {
  const { redis, keyspace, scripts } = world;
  const session = world.session('s1');
  const others = [world.session('s2'), world.session('s3')];
  const all = [session, ...others];
  let version = '0';
  const saved = async (): Promise<void> => {
    await world.open();
    for (const each of all) version = await world.save(each);
    version = (await world.fields(session)).version ?? '';
  };
  const withEvents = (id: string) =>
    all.map(({ key }) => ({ key, written: version, eventIds: key === session.key ? [id] : [] }));
  let event = '0-1';
  const readAfterSave = async (): Promise<void> => {
    await saved();
    event = (await world.read())[0]?.id ?? '';
  };
  return {
    save: {
      prepare: async () => {
        await saved();
        // One that is not here: its save touches every key.
        await redis.del(session.key);
        await redis.hset(session.key, SESSION_HASH.lease, 'token');
      },
      run: () => world.trySave(session, { state: '{"step":2}' }),
    },
    lease: {
      prepare: () => world.open(),
      run: () => scripts.lease(session, { token: 't', leaseTtlMs: TTL_MS }),
    },
    restore: {
      prepare: async () => {
        await redis.hset(session.key, SESSION_HASH.lease, '7:t');
        await redis.pexpire(session.key, TTL_MS);
      },
      run: () =>
        scripts.restore(session, {
          lease: '7:t',
          state: '{}',
          version: '1763830000123000',
          isTombstone: false,
          ttlMs: TTL_MS,
        }),
    },
    confirm: {
      prepare: async () => {
        await world.open();
        version = await cleanSession(world, session);
      },
      run: async () => {
        const row = { state: '{"from":"postgres"}', version: `2${version.slice(1)}`, isTombstone: false };
        const epoch = (await redis.hget(keyspace.meta(PARTITION), 'epoch').catch(() => '')) ?? '';
        return scripts.confirm(session, { version, epoch, row, ttlMs: TTL_MS });
      },
    },
    take: {
      prepare: async () => {
        await saved();
        await parkedSession(world, session);
      },
      run: () =>
        scripts.take(
          PARTITION,
          all.map(({ key }) => key),
        ),
    },
    settle: {
      prepare: readAfterSave,
      run: () => scripts.settle(PARTITION, withEvents(event), { ttlMs: TTL_MS, takenAtUs: '1' }),
    },
    park: {
      prepare: readAfterSave,
      run: () =>
        scripts.park(session, { version, record: parkedRecord(version, Date.now()), eventIds: [event] }),
    },
    sweep: {
      prepare: async () => {
        await saved();
        await redis.xtrim(keyspace.changes(PARTITION), 'MAXLEN', 0);
      },
      run: () =>
        scripts.sweep(
          PARTITION,
          all.map(({ key }) => key),
        ),
    },
    adopt: {
      prepare: readAfterSave,
      run: () =>
        scripts.adopt(session, {
          losingVersion: version,
          state: '{"from":"postgres"}',
          version: `2${version.slice(1)}`,
          isTombstone: false,
          ttlMs: TTL_MS,
        }),
    },
    reissue: {
      prepare: async () => {
        await world.open();
        version = await cleanSession(world, session);
        await world.save(world.session('s2'));
      },
      run: () => scripts.reissue(session, { expectedVersion: version, isDirty: false, floor: '0' }),
    },
    resync: {
      prepare: async () => {
        await saved();
        const events = await world.read();
        for (const [i, each] of all.entries()) {
          await world.settleOne(each, (await world.fields(each)).version, [events[i]?.id ?? '']);
        }
      },
      run: () =>
        scripts.resync(
          PARTITION,
          all.map(({ key }) => key),
          { sinceVersion: '0' },
        ),
    },
    discard: {
      prepare: async () => {
        await world.open();
        version = await parkedSession(world, session);
      },
      run: () => scripts.discard(session, { version }),
    },
    openPartition: {
      prepare: async () => {
        await world.setFloor('5');
      },
      run: () => scripts.openPartition(PARTITION, { floor: '7', createGroup: true }),
    },
    install: {
      prepare: () => world.open(),
      run: async () => {
        const epoch = (await redis.hget(keyspace.meta(PARTITION), 'epoch').catch(() => '')) ?? '';
        return scripts.install(PARTITION, { mode: 'redis', term: '3', period: '0', floor: '0', epoch });
      },
    },
    seal: {
      prepare: async () => {
        await redis.hset(keyspace.meta(PARTITION), 'mode', 'to_direct 4 3 7');
      },
      run: () => scripts.seal(PARTITION, { term: '4' }),
    },
    forgetConsumer: {
      prepare: async () => {
        await world.open();
        await redis.xgroup('CREATECONSUMER', keyspace.changes(PARTITION), SYNC_GROUP, 'leaver');
      },
      run: () => scripts.forgetConsumer(PARTITION, { consumer: 'leaver' }),
    },
    cacheTenant: {
      prepare: async () => {
        await redis.set(keyspace.tenant('acme').lease, 't', 'PX', TTL_MS);
      },
      run: () => scripts.cacheTenant('acme', { token: 't', info: '{}', ttlMs: TTL_MS }),
    },
  };
}

export const scriptMethods = [
  'save',
  'lease',
  'restore',
  'confirm',
  'take',
  'settle',
  'park',
  'sweep',
  'adopt',
  'reissue',
  'resync',
  'discard',
  'openPartition',
  'install',
  'seal',
  'forgetConsumer',
  'cacheTenant',
] as const satisfies readonly ScriptMethod[];

/** The KEYS a call would pass to its script, in order; nothing is sent. */
export async function keysSentBy(redis: Redis, call: () => Promise<unknown>): Promise<string[]> {
  const send = redis.sendCommand;
  let keys: string[] = [];
  redis.sendCommand = (command) => {
    const [, count, ...rest] = command.args.map(String);
    keys = rest.slice(0, Number(count));
    command.reject(new Error('not sent'));
    return command.promise;
  };
  try {
    await call().catch(() => {});
  } finally {
    redis.sendCommand = send;
  }
  return keys;
}
