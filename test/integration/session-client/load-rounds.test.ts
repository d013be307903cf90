import { LOADER_RETRY_MS, type LocatedSession } from '@cauce/protocol';
import type { SessionClient, SessionClientOptions } from '@cauce/session-client';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createConfirmSessions, isOf } from '../../../packages/session-client/src/confirm-sessions.ts';
import { createRestoreSessions } from '../../../packages/session-client/src/restore-sessions.ts';
import { connectRedis } from '../../helpers/isolated.ts';
import { ownRedis } from '../../helpers/own-servers.ts';
import {
  type IsolatedClient,
  isolatedClient,
  loaderOf,
  row,
  type State,
  signal,
  syncAndExpire,
  syncOne,
} from './client.ts';

const NEWEST = '4503599627370000';

/** As on a server that was restarted: all that the partition holds is of an earlier epoch now. */
async function beginEpoch({ redis, keyspace, scripts, locate }: IsolatedClient, userId = 'ana') {
  const { partition } = locate(userId);
  await redis.hset(keyspace.meta(partition), 'server', 'another server');
  const reply = await scripts.openPartition(partition, { floor: '0', createGroup: false });
  return reply.outcome === 'mismatch' ? expect.fail(reply.outcome) : reply.epoch;
}

/** A bot that finds clean sessions of an earlier epoch, at { step: 'held' }. */
async function doubting(
  userIds: readonly string[],
  options: Partial<SessionClientOptions<State>>,
  url?: string,
): Promise<IsolatedClient & { readonly bot: SessionClient<State> }> {
  const client = isolatedClient(url === undefined ? {} : { url });
  for (const userId of userIds) {
    await client.sessions.saveUserState(userId, { step: 'held' });
    await syncOne(client, client.locate(userId));
  }
  for (const userId of userIds) await beginEpoch(client, userId);
  return { ...client, bot: client.another(options) };
}

describe('a session of an earlier epoch, while its row is being read', () => {
  it('leaves Redis: it is restored, as if it had been missing', async () => {
    const loader = loaderOf(async (_, call) => {
      if (call === 1) await syncAndExpire(client, client.locate('ana'));
      return row({ step: 'synced' }, NEWEST);
    });
    const client = await doubting(['ana'], { loader });
    expect(await client.bot.getUserState('ana')).toEqual({ step: 'synced' });
    expect(loader.calls).toHaveLength(2);
    expect(await client.bot.getUserState('ana')).toEqual({ step: 'synced' });
    expect(loader.calls).toHaveLength(2);
  });

  it('is saved: the save is loaded, and nobody asks again', async () => {
    const loader = loaderOf(async () => {
      await client.sessions.saveUserState('ana', { step: 'saved' });
      return row({ step: 'row' });
    });
    const client = await doubting(['ana'], { loader });
    expect(await client.bot.getUserState('ana')).toEqual({ step: 'saved' });
    expect(loader.calls).toHaveLength(1);
  });

  it('comes to be of one epoch more: it is compared again, and trusted in that one', async () => {
    const loader = loaderOf(async (_, call) => {
      if (call > 1) return row({ step: 'newer' }, NEWEST);
      await beginEpoch(client);
      return undefined;
    });
    const client = await doubting(['ana'], { loader });
    expect(await client.bot.getUserState('ana')).toEqual({ step: 'newer' });
    expect(await client.another({ loader }).getUserState('ana')).toEqual({ step: 'newer' });
    expect(loader.calls).toHaveLength(2);
  });

  it('was saved after Redis had lost everything, and its version is below: it is what counts', async () => {
    const client = isolatedClient({ loader: loaderOf(() => row({ step: 'old' }, NEWEST)) });
    await client.another().saveUserState('ana', { step: 'saved since' });
    // As a consumer leaves it that found such a row; then the server's second epoch begins.
    const meta = client.keyspace.meta(client.locate('ana').partition);
    await client.redis.hset(meta, { seeded: NEWEST, epochEndsAtMs: '1' });
    expect(await client.sessions.getUserState('ana')).toEqual({ step: 'saved since' });
  });

  it.each([
    ['newer', NEWEST],
    ['held', '5'],
  ])('changes in each round: after three it is served %s, as it was read last', async (step, version) => {
    const loader = loaderOf(async () => {
      await beginEpoch(client);
      return row({ step: 'newer' }, version);
    });
    const client = await doubting(['ana'], { loader });
    expect(await client.bot.getUserState('ana')).toEqual({ step });
    expect(loader.calls).toHaveLength(3);
  });

  it.each([
    ['newer', NEWEST],
    ['held', '5'],
  ])('Redis takes no writes: %s is served', async (step, version) => {
    const server = await ownRedis();
    const admin = connectRedis(server.url);
    onTestFinished(() => admin.config('SET', 'maxmemory', '0').then(() => {}));
    const loader = loaderOf(async () => {
      await admin.config('SET', 'maxmemory', '1');
      return row({ step: 'newer' }, version);
    });
    const { bot } = await doubting(['ana'], { loader }, server.url);
    expect(await bot.getUserState('ana')).toEqual({ step });
    expect(loader.calls).toHaveLength(1);
  });
});

describe('a session that is not in Redis, while its row is being read', () => {
  /** Gives what puts a session back that was saved in an earlier epoch, or restored in it. */
  async function wentBack(client: IsolatedClient): Promise<() => Promise<unknown>> {
    const { key } = client.locate('ana');
    const content = await client.redis.dumpBuffer(key);
    await client.redis.del(key);
    // What is there meanwhile is the lease of the load.
    return () => client.redis.restore(key, 0, content as Buffer, 'REPLACE');
  }

  it.each(['saved', 'restored'])('appears as it was %s in an earlier epoch: it is compared', async (how) => {
    let stored = row({ step: 'old' });
    const loader = loaderOf(async (_, call) => {
      if (call === 1) await appear();
      return stored;
    });
    const client = isolatedClient();
    if (how === 'saved') await client.sessions.saveUserState('ana', { step: 'old' });
    else await client.another({ loader: loaderOf(() => stored) }).getUserState('ana');
    const appear = await wentBack(client);
    stored = row({ step: 'newer' }, NEWEST);
    await beginEpoch(client);
    expect(await client.another({ loader }).getUserState('ana')).toEqual({ step: 'newer' });
    expect(loader.calls).toHaveLength(2);
  });

  it('appears, and an epoch begins that the bot has not heard of: it is compared', async () => {
    const loader = loaderOf(async (_, call) => {
      if (call === 1) await Promise.all([appear(), beginEpoch(client)]);
      return row({ step: 'newer' }, NEWEST);
    });
    const client = isolatedClient({ loader });
    await client.sessions.saveUserState('ana', { step: 'old' });
    const appear = await wentBack(client);
    expect(await client.sessions.getUserState('ana')).toEqual({ step: 'newer' });
    expect(loader.calls).toHaveLength(2);
  });

  it('appears as it was in an earlier epoch, also for a load that joined', async () => {
    const isAsked = signal();
    const mayAnswer = signal();
    const loader = loaderOf(async (_, call) => {
      isAsked.give();
      if (call === 1) await mayAnswer.promise;
      return row({ step: 'newer' }, NEWEST);
    });
    const client = isolatedClient();
    await client.sessions.saveUserState('ana', { step: 'old' });
    const appear = await wentBack(client);
    await beginEpoch(client);
    const bot = client.another({ loader });
    const first = bot.getUserState('ana');
    await isAsked.promise;
    const second = bot.getUserState('ana');
    // Its miss comes before the answer.
    await bot.getUserState('bo');
    await appear();
    mayAnswer.give();
    expect(await Promise.all([first, second])).toEqual([{ step: 'newer' }, { step: 'newer' }]);
  });

  it('P5 is saved after it was restored, while others of the call are not: a later load does not join', async () => {
    const client = isolatedClient();
    const { redis, scripts } = client;
    const [a, b] = ['a', 'b'].map(client.locate) as [LocatedSession, LocatedSession];
    const [isRestored, mayRestore] = [signal(), signal()];
    let stored = row({ step: 'old' });
    const restore = createRestoreSessions(
      {
        ...{ redis, newTtlMs: () => 60_000 },
        readRows: async (sessions) => sessions.map(() => stored),
        scripts: {
          lease: scripts.lease,
          async restore(session, call) {
            if (session.key === b.key) await mayRestore.promise;
            const outcome = await scripts.restore(session, call);
            isRestored.give();
            return outcome;
          },
        },
      },
      { leaseTtlMs: 10_000, commandTimeoutMs: 5000 },
    );
    const both = restore([a, b]);
    await isRestored.promise;
    const { version } = await client.sessions.saveUserState('a', { step: 'newer' });
    await syncAndExpire(client, a);
    stored = row({ step: 'newer' }, version);
    const later = restore([a]);
    mayRestore.give();
    await both;
    expect(await later).toMatchObject([{ loaded: stored }]);
  });
});

describe('many sessions in one call', () => {
  it('are trusted, compared or restored, with one call of the loader for each step', async () => {
    const loader = loaderOf(({ userId }) => (userId === 'nobody' ? undefined : row({ step: 'row' }, NEWEST)));
    const client = await doubting(['b', 'd'], { loader });
    await client.sessions.saveUserState('t', { step: 'trusted' });
    const asked = ['a', 'b', 'nobody', 't', 'd', 'b', 'c'];
    const [r, n, t] = [{ step: 'row' }, undefined, { step: 'trusted' }];
    expect(await client.bot.getUserStates(asked)).toEqual([r, r, n, t, r, r, r]);
    expect(loader.calls.toSorted()).toEqual([
      ['a', 'nobody', 'c'],
      ['b', 'd'],
    ]);
    expect(await client.bot.getUserStates(asked)).toEqual([r, r, n, t, r, r, r]);
    expect(loader.calls.slice(2)).toEqual([['nobody']]);
  });

  it('that change are taken into the next round together', async () => {
    const loader = loaderOf(async ({ userId }, call) => {
      if (call > 1) return row({ step: 'newer' }, NEWEST);
      await client.sessions.saveUserState(userId, { step: 'newer' });
      await syncAndExpire(client, client.locate(userId));
      return row({ step: 'old' });
    });
    const client = isolatedClient();
    const states = await client.another({ loader }).getUserStates(['a', 'b', 'c']);
    expect(states).toEqual(states.map(() => ({ step: 'newer' })));
    expect(loader.calls).toEqual([
      ['a', 'b', 'c'],
      ['a', 'b', 'c'],
    ]);
  });

  it('P5 that joined a restore whose leases are gone are restored again, all together', async () => {
    const isAsked = signal();
    const mayAnswer = signal();
    const loader = loaderOf(async (_, call) => {
      if (call > 1) return row({ step: 'newer' }, NEWEST);
      isAsked.give();
      await mayAnswer.promise;
      return row({ step: 'old' });
    });
    const client = isolatedClient({ loader });
    const asked = ['a', 'b', 'c'];
    const first = client.sessions.getUserStates(asked);
    await isAsked.promise;
    for (const userId of asked) {
      await client.another().saveUserState(userId, { step: 'newer' });
      await syncAndExpire(client, client.locate(userId));
    }
    const second = client.sessions.getUserStates(asked);
    await client.sessions.getUserState('d');
    mayAnswer.give();
    const newer = asked.map(() => ({ step: 'newer' }));
    expect(await Promise.all([first, second])).toEqual([newer, newer]);
    expect(loader.calls).toEqual([asked, ['d'], asked]);
  });
});

describe('while PostgreSQL cannot be asked', () => {
  it('sessions of an earlier epoch are served as Redis holds them, others fail, and nobody waits for it again', async () => {
    const loader = loaderOf(() => Promise.reject(new Error('down')));
    const { bot } = await doubting(['a', 'b'], { loader });
    // The last epoch is b's.
    for (const userId of ['b', 'a', 'b']) expect(await bot.getUserState(userId)).toEqual({ step: 'held' });
    expect(loader.calls).toEqual([['b']]);
    await expect(bot.getUserStates(['a', 'nobody'])).rejects.toMatchObject({ code: 'RESTORE_FAILED' });
    expect(loader.calls).toEqual([['b'], ['nobody']]);
  });

  it('it is tried again after 5 s, and at once for a session of a later epoch', async () => {
    const client = await doubting(['ana'], {});
    const session = client.locate('ana');
    const held = { state: '{}', version: '5', isTombstone: false, savedIn: 'earlier', confirmedIn: '' };
    let nowMs = 0;
    let asked = 0;
    let epoch = '7';
    const confirm = createConfirmSessions({
      opener: { refreshEpoch: async () => epoch },
      scripts: client.scripts,
      readRows: async () => {
        asked++;
        throw new Error('down');
      },
      now: () => nowMs,
      newTtlMs: () => 60_000,
    });
    const askedAfter = async (): Promise<number> => {
      expect(await confirm([{ session, held }])).toEqual([{ session, loaded: held, isChanged: false }]);
      return asked;
    };
    expect(await askedAfter()).toBe(1);
    nowMs = LOADER_RETRY_MS - 1;
    expect(await askedAfter()).toBe(1);
    epoch = '8';
    expect(await askedAfter()).toBe(2);
    nowMs += LOADER_RETRY_MS;
    expect(await askedAfter()).toBe(3);
  });
});

it('no session is of an epoch that is not known', () => {
  const restored = { ...row({}), savedIn: '', confirmedIn: '7' };
  expect([isOf('7', restored), isOf('', restored)]).toEqual([true, false]);
});
