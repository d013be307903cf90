import { startRedis } from '@cauce/dev-services';
import {
  closedModes,
  formatMode,
  InvalidOptionError,
  parseMode,
  type SaveCall,
  SESSION_HASH,
  type StoredMode,
  storedModes,
  type WriterMode,
  writerModes,
} from '@cauce/protocol';
import { describe, expect, it, onTestFinished } from 'vitest';
import { isolatedRedis, uniqueName } from '../../helpers/isolated.ts';
import { snapshot } from './snapshot.ts';
import {
  cleanSession,
  createWorld,
  missedSession,
  PARTITION,
  parkedSession,
  versionInOneHour,
  type World,
} from './world.ts';

/** None of them is a writer mode. */
const brokenTexts = [
  ...['', 'redis', 'redis 7', 'redis 7 3', 'redis 7 3 x', 'redis 7 3 1 1', ' redis 7 3 1', 'Redis 7 3 1'],
  ...['redis  7 3 1', 'redis -7 3 1', 'redis 1e3 3 1', 'redis 7.0 3 1', 'redis 7 3 1\n', 'redis\0 7 3 1'],
  ...['redis 9999999999999999 3 1', 'redis 7 9999999999999999 1', 'redis 7 3 99999999999999999'],
  ...['paused 7 3 1', 'to_redis redis 7 3 1', 'direct redis 7 3', '7 3 1'],
];

function metaOf(world: World): string {
  return world.keyspace.meta(PARTITION);
}

async function store(world: World, text: string): Promise<void> {
  await world.redis.hset(metaOf(world), 'mode', text);
}

const stored = (world: World): Promise<string | null> => world.redis.hget(metaOf(world), 'mode');

async function epochOf(world: World): Promise<string> {
  return (await world.redis.hget(metaOf(world), 'epoch')) ?? expect.fail('not opened');
}

async function install(
  world: World,
  mode: WriterMode,
  term: number,
  more: { period?: number; floor?: string; epoch?: string } = {},
) {
  const { period = 3, floor = '0', epoch = await epochOf(world) } = more;
  const call = { mode, term: String(term), period: String(period), floor, epoch };
  return world.scripts.install(PARTITION, call);
}

/** Opened, and nothing else. */
async function opened(text?: string): Promise<World> {
  const world = createWorld();
  await world.open();
  if (text !== undefined) await store(world, text);
  return world;
}

/** As a server that was restarted or promoted finds it, and opens it. */
async function reopenElsewhere(world: World): Promise<void> {
  await world.redis.hset(metaOf(world), 'server', 'another server');
  await world.open();
}

async function unchanged(world: World, call: () => Promise<unknown>): Promise<void> {
  const before = await snapshot(world.redis, world.keyspace.keyPrefix);
  await call();
  expect(await snapshot(world.redis, world.keyspace.keyPrefix)).toEqual(before);
}

const saveOf = (session: SaveCall['session'], more: Partial<SaveCall> = {}): SaveCall => ({
  ...{ session, state: '{"step":2}', isTombstone: false, opId: uniqueName() },
  ...more,
});

describe('the text of a writer mode', () => {
  it.each(storedModes)('%s is read as it was written', (mode) => {
    const one: StoredMode = { mode, term: '7', period: '3', periodEpoch: '1763830000123' };
    expect(formatMode(one)).toBe(`${mode} 7 3 1763830000123`);
    expect(parseMode(formatMode(one))).toEqual(one);
  });

  it.each(brokenTexts)('%j is none', (text) => {
    expect(parseMode(text)).toBeUndefined();
  });
});

describe('P10 a save in Redis', () => {
  /** Sessions of every kind, and the saves of each that would end in every other way. */
  async function everyKind(): Promise<{ world: World; saves: SaveCall[] }> {
    const world = await opened();
    const session = world.session;
    await world.trySave(session('dirty'), { opId: 'before' });
    const lease = await missedSession(world, session('missed'));
    await world.redis.rpush(session('of a wrong type').key, 'x');
    await world.redis.hset(session('unreadable').key, SESSION_HASH.header, 'x');
    const saves = [
      saveOf(session('new')),
      saveOf(session('dirty')),
      saveOf(session('dirty'), { opId: 'before' }),
      saveOf(session('dirty'), { ifVersion: '1' }),
      saveOf(session('dirty'), { state: '', isTombstone: true }),
      saveOf(session('missed'), { ifVersion: '0', lease }),
      saveOf(session('of a wrong type')),
      saveOf(session('unreadable')),
      saveOf(session('large'), { state: `"${'x'.repeat(200)}"` }),
    ];
    return { world, saves };
  }

  it.each(closedModes)(
    'is not made in mode %s, whatever the session is, and nothing is written',
    async (mode) => {
      const { world, saves } = await everyKind();
      await store(world, `${mode} 7 3 1`);
      await unchanged(world, async () => {
        const replies = await world.scripts.save(saves, { maxBytes: 100, budgetBytes: 1 });
        expect(replies).toEqual(saves.map(() => ({ outcome: 'moved', mode, term: '7' })));
      });
      // Also where no version can be counted.
      await world.setFloor('not a number');
      expect(await world.trySave(world.session())).toEqual({ outcome: 'moved', mode, term: '7' });
    },
  );

  it.each(brokenTexts)('is not made where the writer mode is %j, and nothing is written', async (text) => {
    const { world, saves } = await everyKind();
    await store(world, text);
    await unchanged(world, async () => {
      const replies = await world.scripts.save(saves, { maxBytes: 100 });
      expect(replies).toEqual(saves.map(() => ({ outcome: 'moved', mode: 'void', term: '0' })));
    });
  });

  it('is made in mode redis, and says in which period', async () => {
    const world = await opened('redis 7 3 1');
    const reply = await world.trySave(world.session(), { opId: 'once' });
    expect(reply).toMatchObject({ outcome: 'saved', period: '3' });
    expect(await world.trySave(world.session(), { opId: 'once' })).toEqual({ ...reply, outcome: 'replayed' });
    expect(await world.trySave(world.session(), { ifVersion: '1' })).toMatchObject({ outcome: 'conflict' });
  });

  it.each([
    'redis 999999999999999 3 1',
    'redis 7 3 9999999999999999',
    'redis 7 0 0',
    'redis 1795617 3 1795617485629',
  ])('is made in mode %j', async (text) => {
    const world = await opened(text);
    const { period } = parseMode(text) ?? expect.fail('none');
    expect(await world.trySave(world.session())).toMatchObject({ outcome: 'saved', period });
    await store(world, text.replace(/^redis \d+ \d+/, 'redis 1 999999999999999'));
    expect(await world.trySave(world.session())).toMatchObject({ period: '999999999999999' });
  });

  it('is made where there is no rollout, in no period', async () => {
    const world = await opened();
    expect(await world.trySave(world.session(), { opId: 'once' })).toMatchObject({ period: '0' });
    expect(await world.trySave(world.session(), { opId: 'once' })).toMatchObject({
      ...{ outcome: 'replayed', period: '0' },
    });
  });

  it.each(['direct 7 3 1', ...brokenTexts])(
    'of another partition is made beside one whose mode is %j',
    async (text) => {
      const { redis, keyspace, scripts } = isolatedRedis({ partitions: 4 });
      const sessions = Array.from({ length: 8 }, (_, i) =>
        keyspace.locate({ tenantId: 'acme', userId: `u${i}` }),
      );
      const [closed] = sessions.map(({ partition }) => partition);
      await redis.hset(keyspace.meta(closed ?? 0), 'mode', text);
      const replies = await scripts.save(
        sessions.map((session) => saveOf(session)),
        { maxBytes: 100 },
      );
      expect(replies.map(({ outcome }) => outcome)).toEqual(
        sessions.map(({ partition }) => (partition === closed ? 'moved' : 'saved')),
      );
      expect(new Set(replies.map(({ outcome }) => outcome)).size).toBe(2);
    },
  );

  it('sends Redis as many commands with a writer mode as without', async () => {
    const server = await startRedis({ appendOnly: false });
    onTestFinished(() => server.stop());
    const commandsOf = async (text: string | undefined): Promise<unknown> => {
      const world = createWorld({ url: server.url });
      await world.open();
      if (text !== undefined) await store(world, text);
      await world.save(world.session('changed'));
      await world.redis.config('RESETSTAT');
      await world.save(world.session('changed'));
      await world.save(world.session('new'));
      return callsIn(await world.redis.info('commandstats'));
    };
    const without = await commandsOf(undefined);
    expect(without).toMatchObject({ evalsha: '2', hmget: '2', hget: '2' });
    expect(await commandsOf('redis 7 3 1')).toEqual(without);
  });
});

function callsIn(info: string): Record<string, string> {
  const lines = info.matchAll(/^cmdstat_([\w|]+):calls=(\d+)/gm);
  return Object.fromEntries([...lines].map(([, name = '', calls = '']) => [name, calls]));
}

describe('P10 install', () => {
  it('opens Redis: a new epoch and period begin, and saves are made', async () => {
    const world = await opened();
    await world.save(world.session());
    await store(world, 'to_redis 6 2 1');
    const before = await epochOf(world);
    expect(await world.trySave(world.session())).toMatchObject({ outcome: 'moved' });
    const reply = await install(world, 'redis', 7, { period: 7 });
    const epoch = await epochOf(world);
    expect(Number(epoch)).toBeGreaterThan(Number(before));
    const mode = { mode: 'redis', term: '7', period: '7', periodEpoch: epoch };
    expect(reply).toEqual({ outcome: 'installed', mode, dirtySessions: 1 });
    expect(await stored(world)).toBe(`redis 7 7 ${epoch}`);
    expect(await world.trySave(world.session())).toMatchObject({ outcome: 'saved', period: '7' });
  });

  it('closes and opens it where no writer mode was stored', async () => {
    for (const mode of writerModes.filter((one) => one !== 'to_direct')) {
      const world = await opened();
      expect(await install(world, mode, 1, { period: 0 })).toMatchObject({ outcome: 'installed' });
      expect(await stored(world)).toBe(`${mode} 1 0 0`);
    }
  });

  it.each(storedModes.filter((mode) => mode !== 'void'))(
    'over %s only goes to a higher term',
    async (mode) => {
      const world = await opened(`${mode} 7 3 1`);
      for (const next of writerModes) {
        for (const term of [0, 6, 7]) {
          await unchanged(world, async () => {
            const known = { mode, term: '7', period: '3', periodEpoch: '1' };
            expect(await install(world, next, term)).toEqual({
              outcome: 'known',
              mode: known,
              dirtySessions: 0,
            });
          });
        }
      }
      expect(await install(world, 'direct', 10)).toMatchObject({ outcome: 'installed' });
      expect(await stored(world)).toBe('direct 10 3 1');
    },
  );

  it('compares terms as numbers', async () => {
    const world = await opened('direct 10 3 1');
    expect(await install(world, 'to_redis', 9)).toMatchObject({ outcome: 'known' });
    expect(await install(world, 'to_redis', 100)).toMatchObject({ outcome: 'installed' });
  });

  it.each(['void 7 3 1', undefined])(
    'over %s does not resume a way back: its seal, and what was saved directly after it, may be lost',
    async (text) => {
      const world = await opened(text);
      await unchanged(world, async () => {
        for (const term of [7, 8]) {
          expect(await install(world, 'to_direct', term)).toMatchObject({ outcome: 'void' });
        }
      });
    },
  );

  const installable = writerModes.filter((mode) => mode !== 'to_direct');
  it.each(installable)('gives a partition that is void its own term again: %s', async (mode) => {
    const world = await opened('void 7 3 1');
    await unchanged(world, async () => {
      expect(await install(world, mode, 6)).toMatchObject({ outcome: 'known' });
    });
    const epoch = await epochOf(world);
    expect(await install(world, mode, 7)).toMatchObject({ outcome: 'installed' });
    expect(await stored(world)).toBe(`${mode} 7 3 1`);
    // The server that made it void had begun one.
    expect(await epochOf(world)).toBe(epoch);
    expect(await install(world, mode, 7)).toMatchObject({ outcome: 'known' });
  });

  it('is refused in another epoch, and in a partition that was not opened', async () => {
    const world = await opened('void 7 3 1');
    for (const epoch of ['1', '', `${await epochOf(world)}0`]) {
      await unchanged(world, async () => {
        const mode = { mode: 'void', term: '7', period: '3', periodEpoch: '1' };
        expect(await install(world, 'redis', 8, { epoch })).toEqual({
          outcome: 'epoch',
          mode,
          dirtySessions: 0,
        });
      });
    }
    const unopened = createWorld();
    // A floor of its own: else it is that which is missing.
    await unopened.setFloor('5');
    expect(await install(unopened, 'redis', 8, { epoch: '' })).toEqual({
      ...{ outcome: 'epoch', mode: undefined, dirtySessions: 0 },
    });
  });

  it('of one who slept since it read PostgreSQL does not open Redis again', async () => {
    const world = await opened('redis 3 3 1');
    await reopenElsewhere(world);
    const epoch = await epochOf(world);
    const wakes = () => install(world, 'redis', 3, { epoch });
    // Somebody else was quicker, and the sessions went back to PostgreSQL.
    await install(world, 'redis', 3);
    await install(world, 'to_direct', 4);
    expect(await wakes()).toMatchObject({ outcome: 'known' });
    await world.scripts.seal(PARTITION, { term: '4' });
    expect(await wakes()).toMatchObject({ outcome: 'known' });
    await install(world, 'direct', 5);
    expect(await wakes()).toMatchObject({ outcome: 'known' });
    // Redis lost all of that.
    await store(world, 'redis 3 3 1');
    await reopenElsewhere(world);
    expect(await wakes()).toMatchObject({ outcome: 'epoch' });
    expect(await world.trySave(world.session())).toMatchObject({ outcome: 'moved', mode: 'void' });
  });

  it('keeps the epoch of a period that goes on, and begins a new one for what was saved meanwhile', async () => {
    const world = await opened();
    await install(world, 'redis', 3);
    const text = (await stored(world)) ?? '';
    const epoch = await epochOf(world);
    await install(world, 'to_direct', 4);
    expect(await epochOf(world)).toBe(epoch);
    // The way back was given up.
    await install(world, 'redis', 5);
    expect(await stored(world)).toBe(text.replace('redis 3 3', 'redis 5 3'));
    expect(Number(await epochOf(world))).toBeGreaterThan(Number(epoch));
  });

  it.each(writerModes)(
    'begins an epoch with a new period, also where Redis hears of it in mode %s',
    async (mode) => {
      const world = await opened('to_redis 5 3 1');
      await world.redis.hset(metaOf(world), 'epoch', Date.now() + 60_000);
      const before = await epochOf(world);
      await install(world, mode, 7, { period: 6 });
      const epoch = await epochOf(world);
      expect(Number(epoch)).toBe(Number(before) + 1);
      expect(await stored(world)).toBe(`${mode} 7 6 ${epoch}`);
    },
  );

  it('P3 raises the floor to that of PostgreSQL, and never lowers it', async () => {
    const ahead = versionInOneHour();
    const world = await opened('to_redis 5 3 1');
    await install(world, 'to_redis', 6, { floor: ahead });
    expect(await world.floor()).not.toBe(ahead);
    await install(world, 'redis', 7, { floor: ahead });
    expect(await world.floor()).toBe(ahead);
    expect(await world.save(world.session())).toBe(String(BigInt(ahead) + 1n));
    await install(world, 'redis', 8, { floor: '5' });
    expect(BigInt((await world.floor()) ?? '')).toBeGreaterThan(BigInt(ahead));
  });

  it('P3 raises it by the gap of a new server over a mode that is void', async () => {
    const ahead = versionInOneHour();
    const world = await opened('void 7 3 1');
    await install(world, 'redis', 7, { floor: ahead });
    const gapUs = BigInt((await world.floor()) ?? '') - BigInt(ahead);
    expect(gapUs).toBeGreaterThan(10_000_000n);
    expect(gapUs).toBeLessThanOrEqual(29_000_000n);
    // Where the clock is ahead of the floor, above the clock.
    const behind = await opened('void 7 3 1');
    await behind.setFloor('5');
    const nowUs = BigInt(Date.now()) * 1000n;
    await install(behind, 'redis', 7, { floor: '6' });
    expect(BigInt((await behind.floor()) ?? '') - nowUs).toBeGreaterThan(10_000_000n);
  });

  it('refuses what is no term', async () => {
    const world = await opened();
    const call = { mode: 'redis', term: '1', period: '1', floor: '0', epoch: '1' } as const;
    for (const bad of ['', 'x', '-1', '1.5', '1e3', '1234567890123456']) {
      await expect(world.scripts.install(PARTITION, { ...call, term: bad })).rejects.toThrow(
        InvalidOptionError,
      );
      await expect(world.scripts.install(PARTITION, { ...call, period: bad })).rejects.toThrow(
        InvalidOptionError,
      );
      await expect(world.scripts.seal(PARTITION, { term: bad })).rejects.toThrow(InvalidOptionError);
    }
  });

  it.each(brokenTexts)(
    'over %j changes nothing; opening makes it void, and then it is installed',
    async (text) => {
      const world = await opened(text);
      const epoch = await epochOf(world);
      await unchanged(world, async () => {
        expect(await install(world, 'redis', 7)).toEqual({
          ...{ outcome: 'unreadable', mode: undefined, dirtySessions: 0 },
        });
      });
      await world.open();
      expect(await stored(world)).toBe('void 0 0 0');
      // Of one who read PostgreSQL before that.
      expect(await install(world, 'redis', 7, { epoch })).toMatchObject({ outcome: 'epoch' });
      expect(await install(world, 'redis', 7)).toMatchObject({ outcome: 'installed' });
    },
  );

  it.each(['not a number', '4503599627370495', null])(
    'does not open over a floor of %j before it is set again',
    async (floor) => {
      const world = await opened('to_redis 6 3 1');
      if (floor === null) await world.redis.hdel(metaOf(world), 'floor');
      else await world.setFloor(floor);
      await unchanged(world, async () => {
        expect(await install(world, 'redis', 7)).toMatchObject({
          outcome: 'unreadable',
          mode: { term: '6' },
        });
      });
      expect(await install(world, 'to_direct', 8)).toMatchObject({ outcome: 'installed' });
      await world.scripts.openPartition(PARTITION, { floor: versionInOneHour(), createGroup: true });
      expect(await install(world, 'redis', 9)).toMatchObject({ outcome: 'installed' });
    },
  );
});

describe('P10 opening a partition', () => {
  const call = { floor: '0', createGroup: true };

  it.each(storedModes)(
    'on another server makes %s void, and keeps the rest; not on the same one',
    async (mode) => {
      const world = await opened(`${mode} 7 3 1`);
      await unchanged(world, () => world.open());
      // The second epoch on a server is no other server.
      await world.redis.hset(metaOf(world), 'epochEndsAtMs', '1');
      await world.open();
      expect(await stored(world)).toBe(`${mode} 7 3 1`);
      await world.redis.hset(metaOf(world), 'server', 'another server');
      const reply = await world.scripts.openPartition(PARTITION, call);
      expect(reply).toMatchObject({ mode: { mode: 'void', term: '7', period: '3', periodEpoch: '1' } });
      expect(await stored(world)).toBe('void 7 3 1');
      expect(await world.trySave(world.session())).toEqual({ outcome: 'moved', mode: 'void', term: '7' });
    },
  );

  it('says which mode there is', async () => {
    const world = await opened();
    expect(await world.scripts.openPartition(PARTITION, call)).toMatchObject({ mode: undefined });
    await store(world, 'to_direct 7 3 1');
    expect(await world.scripts.openPartition(PARTITION, call)).toMatchObject({
      mode: { mode: 'to_direct', term: '7', period: '3', periodEpoch: '1' },
    });
  });

  it('stores none without a rollout, also on another server', async () => {
    const world = await opened();
    await reopenElsewhere(world);
    expect(await stored(world)).toBeNull();
    expect(await world.trySave(world.session())).toMatchObject({ outcome: 'saved' });
  });

  it('of a rollout is void where none is stored, and nobody who read PostgreSQL before installs', async () => {
    const world = await opened();
    const epoch = await epochOf(world);
    const open = () => world.scripts.openPartition(PARTITION, { ...call, isOfRollout: true });
    expect(await open()).toMatchObject({ mode: { mode: 'void', term: '0', period: '0', periodEpoch: '0' } });
    expect(await world.trySave(world.session())).toMatchObject({ outcome: 'moved', mode: 'void' });
    expect(await install(world, 'redis', 3, { epoch })).toMatchObject({ outcome: 'epoch' });
    await unchanged(world, open);
    await install(world, 'redis', 3);
    await unchanged(world, open);
    // Redis lost everything.
    await world.redis.del(metaOf(world));
    expect(await open()).toMatchObject({ outcome: 'created', mode: { mode: 'void', term: '0' } });
  });

  it('keeps the minute after a new server when a mode is lost in it', async () => {
    const world = await opened('broken');
    const endsAtMs = await world.redis.hget(metaOf(world), 'epochEndsAtMs');
    expect(endsAtMs).not.toBeNull();
    await world.open();
    expect(await world.redis.hget(metaOf(world), 'epochEndsAtMs')).toBe(endsAtMs);
  });
});

describe('P10 seal', () => {
  const seal = (world: World, term = '7', database?: string) =>
    world.scripts.seal(PARTITION, database === undefined ? { term } : { term, database });

  it('closes a partition without dirty sessions, and again', async () => {
    const world = await opened('to_direct 7 3 1');
    const mode = { mode: 'sealed', term: '7', period: '3', periodEpoch: '1' };
    expect(await seal(world)).toEqual({ outcome: 'sealed', mode, sessions: 0 });
    expect(await stored(world)).toBe('sealed 7 3 1');
    await unchanged(world, async () => {
      expect(await seal(world)).toEqual({ outcome: 'sealed', mode, sessions: 0 });
      expect(await seal(world, '8')).toEqual({ outcome: 'moved', mode, sessions: 0 });
    });
    expect(await world.trySave(world.session())).toMatchObject({ outcome: 'moved', mode: 'sealed' });
    expect(await install(world, 'direct', 8)).toMatchObject({ outcome: 'installed' });
  });

  it('is refused while a session is dirty', async () => {
    const world = await opened();
    const sessions = ['a', 'b'].map((userId) => world.session(userId));
    const versions = await Promise.all(sessions.map((session) => world.save(session)));
    await store(world, 'to_direct 7 3 1');
    for (const [i, session] of sessions.entries()) {
      await unchanged(world, async () => {
        expect(await seal(world)).toMatchObject({
          outcome: 'dirty',
          sessions: 2 - i,
          mode: { mode: 'to_direct' },
        });
      });
      await world.settleOne(session, versions[i]);
    }
    expect(await seal(world)).toMatchObject({ outcome: 'sealed' });
  });

  it('is no evidence any more once PostgreSQL lost something that Redis has', async () => {
    const world = await opened();
    const session = world.session();
    const version = await cleanSession(world, session);
    await store(world, 'to_direct 7 3 1');
    expect(await seal(world)).toMatchObject({ outcome: 'sealed' });
    await world.scripts.resync(PARTITION, [session.key], { sinceVersion: '0' });
    expect(await seal(world)).toMatchObject({ outcome: 'dirty', sessions: 1, mode: { mode: 'sealed' } });
    await world.settleOne(session, version);
    expect(await seal(world)).toMatchObject({ outcome: 'sealed' });
  });

  it('is refused while a session is parked, even if the dirty index has forgotten it', async () => {
    const world = await opened();
    await parkedSession(world, world.session());
    await store(world, 'to_direct 7 3 1');
    for (const forget of [false, true]) {
      if (forget) await world.redis.del(world.keyspace.dirty(PARTITION));
      await unchanged(world, async () => {
        expect(await seal(world)).toMatchObject({ outcome: 'parked', sessions: 1 });
      });
    }
  });

  it('is refused in another mode and at another term', async () => {
    for (const mode of storedModes.filter((one) => one !== 'to_direct' && one !== 'sealed')) {
      const world = await opened(`${mode} 7 3 1`);
      await unchanged(world, async () => {
        expect(await seal(world)).toMatchObject({ outcome: 'moved', mode: { mode } });
      });
    }
    const world = await opened('to_direct 7 3 1');
    for (const term of ['6', '8', '70', '0']) {
      await unchanged(world, async () => {
        expect(await seal(world, term)).toMatchObject({ outcome: 'moved' });
      });
    }
  });

  it.each([undefined, ...brokenTexts])('is refused where the writer mode is %j', async (text) => {
    const world = await opened(text);
    await unchanged(world, async () => {
      expect(await seal(world)).toEqual({ outcome: 'moved', mode: undefined, sessions: 0 });
    });
  });

  it('is refused when the sessions were carried to another database, or have to be carried again', async () => {
    const world = await opened('to_direct 7 3 1');
    for (const carriedTo of [undefined, '', 'another']) {
      if (carriedTo !== undefined) await world.redis.hset(metaOf(world), 'database', carriedTo);
      await unchanged(world, async () => {
        expect(await seal(world, '7', 'here')).toMatchObject({ outcome: 'database', sessions: 0 });
      });
    }
    // For partition 0 only.
    expect(await seal(world)).toMatchObject({ outcome: 'sealed' });
    await store(world, 'to_direct 7 3 1');
    await world.redis.hset(metaOf(world), 'database', 'here');
    expect(await seal(world, '7', 'here')).toMatchObject({ outcome: 'sealed' });
  });
});

describe('P10 take', () => {
  const take = (world: World, ...users: string[]) =>
    world.scripts.take(
      PARTITION,
      users.map((userId) => world.session(userId).key),
    );

  it('says in which period the states were taken', async () => {
    const world = await opened();
    expect(await take(world)).toMatchObject({ period: '0', taken: [] });
    for (const mode of storedModes) {
      await store(world, `${mode} 7 3 1`);
      expect(await take(world)).toMatchObject({ period: '3' });
    }
    for (const text of brokenTexts) {
      await store(world, text);
      expect(await take(world)).toMatchObject({ period: '0' });
    }
  });

  it('tells what was saved before the period began from what was saved in it', async () => {
    const world = await opened();
    const version = await world.save(world.session('before'), '{"n":1}');
    const cleared = await world.trySave(world.session('cleared'), { state: '', isTombstone: true });
    await world.save(world.session('from a row'));
    await world.rewrite(world.session('from a row'), { savedIn: '' });
    const users = ['before', 'cleared', 'from a row', 'none'];
    expect((await take(world, ...users)).taken.map(({ outcome }) => outcome)).toEqual([
      ...['dirty', 'dirty', 'dirty', 'clean'],
    ]);
    await install(world, 'redis', 7, { period: 7 });
    await world.save(world.session('since'));
    await unchanged(world, async () => {
      const { taken, period } = await take(world, ...users, 'since');
      expect(period).toBe('7');
      expect(taken).toEqual([
        { outcome: 'leftover', state: '{"n":1}', version, isTombstone: false },
        {
          outcome: 'leftover',
          state: '',
          version: 'version' in cleared && cleared.version,
          isTombstone: true,
        },
        expect.objectContaining({ outcome: 'dirty', state: '{"step":1}' }),
        { outcome: 'clean' },
        expect.objectContaining({ outcome: 'dirty' }),
      ]);
    });
    // Saved again in this period, it is none any more.
    await world.save(world.session('before'));
    expect((await take(world, 'before')).taken).toMatchObject([{ outcome: 'dirty' }]);
    // The epochs of a period come after its first.
    await reopenElsewhere(world);
    await install(world, 'redis', 7, { period: 7 });
    expect((await take(world, 'since')).taken).toMatchObject([{ outcome: 'dirty' }]);
  });

  it('compares epochs as numbers', async () => {
    const world = await opened();
    await world.save(world.session('ana'));
    for (const [savedIn, periodEpoch, outcome] of [
      ...[['9', '10', 'leftover'] as const, ['10', '9', 'dirty'] as const, ['10', '10', 'dirty'] as const],
      ...[['abc', '10', 'leftover'] as const, ['', '10', 'dirty'] as const],
    ]) {
      await world.rewrite(world.session('ana'), { savedIn });
      await store(world, `redis 7 3 ${periodEpoch}`);
      expect((await take(world, 'ana')).taken, savedIn).toMatchObject([{ outcome }]);
    }
  });

  it('gives no more leftovers at once than it may', async () => {
    const world = await opened();
    await world.save(world.session('a'), '"12345"');
    await world.save(world.session('b'), '"12345"');
    await install(world, 'redis', 7, { period: 7 });
    const keys = ['a', 'b'].map((userId) => world.session(userId).key);
    const { taken } = await world.scripts.take(PARTITION, keys, { maxBytes: 10 });
    expect(taken).toMatchObject([{ outcome: 'leftover' }, { outcome: 'deferred' }]);
  });
});
