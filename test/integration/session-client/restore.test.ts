import type { SessionLoader, StoredSession } from '@cauce/session-client';
import { describe, expect, it } from 'vitest';
import { sessionTexts } from '../../helpers/session-hash.ts';
import { isolatedClient, loaderOf, row, signal, syncAndExpire, tombstone } from './client.ts';

describe('restoring what is not in Redis', () => {
  it('without a loader there is no session', async () => {
    const { sessions } = isolatedClient();
    expect(await sessions.getUserState('ana')).toBeUndefined();
  });

  it('a row is served, and kept as a clean session with a TTL within 10 % of sessionTtlSeconds', async () => {
    const loader = loaderOf(() => row({ step: 'old' }));
    const { sessions, redis, locate, keyspace } = isolatedClient({ loader, sessionTtlSeconds: 1000 });
    expect(await sessions.getUserState('ana')).toEqual({ step: 'old' });
    expect(await sessions.getUserSession('ana')).toEqual({ state: { step: 'old' }, version: '5' });
    expect(loader.calls).toEqual([['ana']]);
    const { key, partition } = locate('ana');
    expect(await sessionTexts(redis, key)).toMatchObject({ dirty: '0', event: '' });
    expect(await redis.zcard(keyspace.dirty(partition))).toBe(0);
    const ttlMs = await redis.pttl(key);
    expect(ttlMs).toBeGreaterThan(890_000);
    expect(ttlMs).toBeLessThanOrEqual(1_100_000);
  });

  it('may take leaseTtlMs and is still kept', async () => {
    const leasesMs: number[] = [];
    const loader = loaderOf(async () => {
      leasesMs.push(await redis.pttl(locate('ana').key));
      return row({});
    });
    const { sessions, redis, locate } = isolatedClient({ loader, leaseTtlMs: 60_000 });
    await sessions.getUserState('ana');
    expect(leasesMs[0]).toBeGreaterThan(50_000);
    expect(await redis.exists(locate('ana').key)).toBe(1);
  });

  it('P3: a save after the restore gets a version above the row, even if the row is of the future', async () => {
    const future = String((Date.now() + 3_600_000) * 1000);
    const loader = loaderOf(() => row({ step: 'old' }, future));
    const { sessions } = isolatedClient({ loader });
    await sessions.getUserState('ana');
    const { version } = await sessions.saveUserState('ana', { step: 'new' });
    expect(BigInt(version)).toBeGreaterThan(BigInt(future));
  });

  it('a row that is a tombstone is no session, and is kept so that the next load need not ask', async () => {
    const loader = loaderOf(() => tombstone('5'));
    const { sessions } = isolatedClient({ loader });
    expect(await sessions.getUserState('ana')).toBeUndefined();
    expect(await sessions.getUserState('ana')).toBeUndefined();
    expect(loader.calls).toHaveLength(1);
    await sessions.updateUserState('ana', (state) => ({ step: state ? 'wrong' : 'new' }));
    expect(await sessions.getUserState('ana')).toEqual({ step: 'new' });
  });

  it('no row is no session', async () => {
    const { sessions } = isolatedClient({ loader: loaderOf(() => undefined) });
    expect(await sessions.getUserState('ana')).toBeUndefined();
  });

  it('an update builds on the restored state', async () => {
    const { sessions } = isolatedClient({ loader: loaderOf(() => row({ count: 41 })) });
    await sessions.updateUserState('ana', (state) => ({ count: (state?.count ?? 0) + 1 }));
    expect(await sessions.getUserState('ana')).toEqual({ count: 42 });
  });

  it('a batch restores all its misses in one call of the loader', async () => {
    const loader = loaderOf(({ userId }) => (userId === 'nobody' ? undefined : row({ step: userId })));
    const { sessions } = isolatedClient({ loader });
    await sessions.saveUserState('b', { step: 'saved' });
    const states = await sessions.getUserStates(['a', 'b', 'nobody', 'c', 'a']);
    expect(states).toEqual([{ step: 'a' }, { step: 'saved' }, undefined, { step: 'c' }, { step: 'a' }]);
    expect(loader.calls).toEqual([['a', 'nobody', 'c']]);
  });

  it('100 concurrent loads of one session ask the loader once', async () => {
    const loader = loaderOf(() => row({ step: 'old' }));
    const { sessions } = isolatedClient({ loader });
    const loads = [
      ...Array.from({ length: 99 }, () => sessions.getUserState('ana')),
      sessions.getUserStates(['ana']).then(([state]) => state),
    ];
    expect(await Promise.all(loads)).toEqual(loads.map(() => ({ step: 'old' })));
    expect(loader.calls).toHaveLength(1);
  });
});

describe('P5: nothing stale enters Redis while the row is being read', () => {
  it('a save during the load wins', async () => {
    const loader = loaderOf(async () => {
      await other.saveUserState('ana', { step: 'new' });
      return row({ step: 'old' });
    });
    const { sessions, another } = isolatedClient({ loader });
    const other = another();
    expect(await sessions.getUserState('ana')).toEqual({ step: 'new' });
    expect(await other.getUserState('ana')).toEqual({ step: 'new' });
    expect(loader.calls).toHaveLength(1);
  });

  it('a delete during the load wins, also when it has been synced and has expired before the row arrives', async () => {
    const loader = loaderOf(async (_, call) => {
      if (call > 1) return tombstone('9');
      await client.another().clearUserState('ana');
      await syncAndExpire(client, client.locate('ana'));
      return row({ step: 'deleted' });
    });
    const client = isolatedClient({ loader });
    expect(await client.sessions.getUserState('ana')).toBeUndefined();
    expect(loader.calls).toHaveLength(2);
    expect(await sessionTexts(client.redis, client.locate('ana').key)).toMatchObject({
      ...{ state: '', version: '9' },
    });
  });

  it('a save during a load that finds no row is not taken for no session', async () => {
    const loader = loaderOf(async () => {
      await client.another().saveUserState('ana', { step: 'first' });
      return undefined;
    });
    const client = isolatedClient({ loader });
    expect(await client.sessions.getUserState('ana')).toEqual({ step: 'first' });
  });

  it('a session that keeps changing is served from the third read without being kept', async () => {
    const loader = loaderOf(async (_, call) => {
      await client.another().saveUserState('ana', { count: call });
      await syncAndExpire(client, client.locate('ana'));
      return row({ count: call });
    });
    const client = isolatedClient({ loader });
    expect(await client.sessions.getUserState('ana')).toEqual({ count: 3 });
    expect(await client.redis.exists(client.locate('ana').key)).toBe(0);
  });
});

describe('a loader that fails', () => {
  it.each(['9007199254740992', '4503599627370496', '1e15', '0', '-5', 'abc', ''])(
    'P3: a row at version "%s" is not restored, and no later save suffers from it',
    async (version) => {
      const { sessions, redis, locate, keyspace } = isolatedClient({
        loader: loaderOf(() => row({}, version)),
      });
      await expect(sessions.getUserState('ana')).rejects.toMatchObject({
        code: 'RESTORE_FAILED',
        message: expect.stringContaining('a version from 1 to 4503599627370495'),
      });
      const { key, partition } = locate('ana');
      expect(await sessionTexts(redis, key)).toEqual({});
      expect(Number(await redis.hget(keyspace.meta(partition), 'floor'))).toBeLessThan(
        (Date.now() + 60_000) * 1000,
      );
      await sessions.saveUserState('ana', { step: 'x' });
    },
  );

  it('is RESTORE_FAILED with the name and code of its cause, never a false "no session"; the next load asks again', async () => {
    const down = Object.assign(new TypeError('connection refused'), { code: 'DOWN' });
    const loader = loaderOf((_, call) => (call === 1 ? Promise.reject(down) : row({ step: 'old' })));
    const { sessions } = isolatedClient({ loader });
    await expect(sessions.getUserState('ana')).rejects.toMatchObject({
      code: 'RESTORE_FAILED',
      retryable: true,
      cause: { name: 'TypeError', code: 'DOWN', message: expect.stringContaining('left out') },
    });
    expect(await sessions.getUserState('ana')).toEqual({ step: 'old' });
  });

  it('does not keep sessions in Redis from being read, nor new ones from being saved', async () => {
    const { sessions } = isolatedClient({ loader: loaderOf(() => Promise.reject(new Error('down'))) });
    await sessions.saveUserState('ana', { step: 'x' });
    expect(await sessions.getUserState('ana')).toEqual({ step: 'x' });
    await expect(sessions.getUserStates(['ana', 'eva'])).rejects.toMatchObject({ code: 'RESTORE_FAILED' });
  });

  it.each<[string, unknown]>([
    ['too few answers', []],
    ['a version that is a number', [{ state: '{}', version: 5, isTombstone: false }]],
  ])('as does one that gives %s', async (_, rows) => {
    const loader = { load: () => Promise.resolve(rows) } as unknown as SessionLoader;
    const { sessions } = isolatedClient({ loader });
    await expect(sessions.getUserState('ana')).rejects.toMatchObject({ code: 'RESTORE_FAILED' });
  });
});

describe('aborting a load', () => {
  it('before it began asks nobody', async () => {
    const loader = loaderOf(({ userId }) => row({ step: userId }));
    const { sessions } = isolatedClient({ loader });
    const options = { signal: AbortSignal.abort() };
    await expect(sessions.getUserState('ana', options)).rejects.toMatchObject({ code: 'ABORTED' });
    await expect(sessions.getUserStates(['ana'], options)).rejects.toMatchObject({ code: 'ABORTED' });
    await sessions.getUserState('eva');
    expect(loader.calls).toEqual([['eva']]);
  });

  it('ends the wait of the one who aborted and of nobody else', async () => {
    const asked = signal();
    const answer = signal<StoredSession>();
    const loader = loaderOf(() => {
      asked.give();
      return answer.promise;
    });
    const { sessions } = isolatedClient({ loader });
    const abort = new AbortController();
    const aborted = sessions.getUserState('ana', { signal: abort.signal });
    const patient = sessions.getUserState('ana');
    await asked.promise;
    abort.abort();
    await expect(aborted).rejects.toMatchObject({ code: 'ABORTED' });
    answer.give(row({ step: 'old' }));
    expect(await patient).toEqual({ step: 'old' });
    expect(loader.calls).toHaveLength(1);
  });
});
