import { SESSION_HASH } from '@cauce/protocol';
import { createSessionClient } from '@cauce/session-client';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { rewriteSession, type SessionTexts, sessionTexts } from '../../helpers/session-hash.ts';
import { isolatedClient } from './client.ts';

describe('saving and loading', () => {
  it('a saved state is loaded as it was, with a version that grows', async () => {
    const { sessions } = isolatedClient();
    const ref = { tenantId: 'acme', userId: 'ana' };
    expect(await sessions.getUserState(ref)).toBeUndefined();
    const first = await sessions.saveUserState(ref, { step: 'menu' });
    const second = await sessions.saveUserState(ref, { step: 'ñ 😀' });
    expect(first).toEqual({
      version: expect.stringMatching(/^\d+$/),
      opId: expect.stringMatching(/^[\w-]{12}$/),
      isReplay: false,
      durability: 'memory',
    });
    expect(BigInt(second.version)).toBeGreaterThan(BigInt(first.version));
    expect(await sessions.getUserState(ref)).toEqual({ step: 'ñ 😀' });
    expect(await sessions.getUserSession(ref)).toEqual({ state: { step: 'ñ 😀' }, version: second.version });
  });

  it('P1: a save announces the session exactly once however often it is saved, and pins it (P2, P8)', async () => {
    const { sessions, redis, keyspace, locate } = isolatedClient();
    for (let i = 0; i < 5; i++) await sessions.saveUserState('ana', { count: i });
    const { key, partition } = locate('ana');
    expect(await redis.xlen(keyspace.changes(partition))).toBe(1);
    expect(await redis.zrange(keyspace.dirty(partition), '0', '-1')).toEqual([key]);
    expect(await redis.pttl(key)).toBe(-1);
  });

  it('a bare user id belongs to the tenant "default"', async () => {
    const { sessions } = isolatedClient();
    await sessions.saveUserState('ana', { step: 'x' });
    expect(await sessions.getUserState({ tenantId: 'default', userId: 'ana' })).toEqual({ step: 'x' });
  });

  it('hostile ids are kept apart', async () => {
    const { sessions } = isolatedClient();
    const refs = [
      { tenantId: 'a:b', userId: 'c' },
      { tenantId: 'a', userId: 'b:c' },
      { tenantId: 'a%3Ab', userId: 'c' },
      { tenantId: 'a', userId: '{1}' },
      { tenantId: 'a', userId: '*' },
      { tenantId: 'a', userId: '?[a-z]' },
      { tenantId: 'a', userId: '"; DROP TABLE session; --' },
      { tenantId: 'a', userId: '__proto__' },
      { tenantId: 'constructor', userId: 'ñ 😀' },
      { tenantId: 'a', userId: '\u00c9' },
      { tenantId: 'a', userId: 'E\u0301' },
      { tenantId: 'A', userId: 'é' },
    ];
    for (const [count, ref] of refs.entries()) await sessions.saveUserState(ref, { count });
    expect(await sessions.getUserStates(refs)).toEqual(refs.map((_, count) => ({ count })));
  });

  it.each([
    ['', 'empty'],
    ['a\0b', 'control character'],
    ['a\nb', 'control character'],
    ['a\ud800', 'surrogate'],
    ['x'.repeat(257), '256'],
  ])('the id %j is refused', async (userId, reason) => {
    const { sessions } = isolatedClient();
    const refused = expect.objectContaining({ code: 'INVALID_ID', message: expect.stringContaining(reason) });
    await expect(sessions.saveUserState(userId, {})).rejects.toEqual(refused);
    await expect(sessions.getUserState(userId)).rejects.toEqual(refused);
  });

  it('the state is taken at the call: changing it afterwards changes nothing', async () => {
    const { sessions } = isolatedClient();
    const state = { count: 1 };
    const saving = sessions.saveUserState('ana', state);
    state.count = 2;
    await saving;
    expect(await sessions.getUserState('ana')).toEqual({ count: 1 });
  });

  it('a batch comes back in the order asked, with gaps and repetitions', async () => {
    const { sessions } = isolatedClient();
    for (let count = 0; count < 20; count++) await sessions.saveUserState(`u${count}`, { count });
    await sessions.clearUserState('u3');
    const asked = ['u7', 'nobody', 'u3', 'u0', 'u7', 'u19'];
    expect(await sessions.getUserStates(asked)).toEqual([
      { count: 7 },
      undefined,
      undefined,
      { count: 0 },
      { count: 7 },
      { count: 19 },
    ]);
    expect(await sessions.getUserStates([])).toEqual([]);
    const tooMany = Array.from({ length: 501 }, (_, i) => `u${i}`);
    await expect(sessions.getUserStates(tooMany)).rejects.toMatchObject({ code: 'INVALID_OPTION' });
  });

  it('a rejected state changes nothing', async () => {
    const { sessions } = isolatedClient({ maxStateBytes: 30 });
    await sessions.saveUserState('ana', { step: 'kept' });
    await expect(sessions.saveUserState('ana', { count: Number.NaN })).rejects.toMatchObject({
      code: 'STATE_REJECTED',
      path: '$.count',
    });
    await expect(sessions.saveUserState('ana', { step: 'x'.repeat(30) })).rejects.toMatchObject({
      code: 'STATE_TOO_LARGE',
      maxBytes: 30,
    });
    expect(await sessions.getUserState('ana')).toEqual({ step: 'kept' });
  });

  it('what is not a session is reported, not returned, and its content is not shown', async () => {
    const { sessions, redis, locate } = isolatedClient();
    const write = (texts: Partial<SessionTexts>): Promise<void> =>
      rewriteSession(redis, locate('ana').key, texts);
    const corrupt = expect.objectContaining({
      code: 'CORRUPT_SESSION',
      message: expect.not.stringContaining('hunter2'),
    });
    await write({ state: 'hunter2' });
    await expect(sessions.getUserState('ana')).rejects.toEqual(corrupt);
    await write({ state: '{}', version: 'hunter2' });
    await expect(sessions.getUserState('ana')).rejects.toEqual(corrupt);
    await expect(sessions.getUserStates(['ana'])).rejects.toEqual(corrupt);
    await write({ version: '9007199254740992' });
    await expect(sessions.getUserState('ana')).rejects.toEqual(corrupt);
    await write({ version: '5', tombstone: 'hunter2' });
    await expect(sessions.getUserStates(['ana'])).rejects.toEqual(corrupt);
    await redis.hdel(locate('ana').key, SESSION_HASH.header);
    await expect(sessions.getUserState('ana')).rejects.toEqual(corrupt);
    await sessions.saveUserState('ana', { step: 'mended' });
    expect(await sessions.getUserState('ana')).toEqual({ step: 'mended' });
    await redis.set(locate('eva').key, 'hunter2');
    await expect(sessions.getUserState('eva')).rejects.toEqual(corrupt);
  });
});

describe('ifVersion', () => {
  it('saves over the expected version only', async () => {
    const { sessions } = isolatedClient();
    const { version } = await sessions.saveUserState('ana', { count: 1 }, { ifVersion: '0' });
    const next = await sessions.saveUserState('ana', { count: 2 }, { ifVersion: version });
    await expect(sessions.saveUserState('ana', { count: 3 }, { ifVersion: version })).rejects.toMatchObject({
      code: 'VERSION_CONFLICT',
      retryable: true,
      expected: version,
      actual: next.version,
    });
    await expect(sessions.clearUserState('ana', { ifVersion: '0' })).rejects.toMatchObject({
      actual: next.version,
    });
    await expect(sessions.saveUserState('eva', {}, { ifVersion: '7' })).rejects.toMatchObject({
      actual: '0',
    });
    expect(await sessions.getUserState('ana')).toEqual({ count: 2 });
  });

  it('that is not a version is refused', async () => {
    const { sessions } = isolatedClient();
    await expect(sessions.saveUserState('ana', {}, { ifVersion: '1e3' })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
    });
  });
});

describe('opId', () => {
  it('a repeated save is answered, not applied, also when somebody saved in between', async () => {
    const { sessions, another } = isolatedClient();
    const first = await sessions.saveUserState('ana', { step: 'old' }, { opId: 'op-1' });
    const other = await another().saveUserState('ana', { step: 'new' });
    const replay = await sessions.saveUserState('ana', { step: 'old' }, { opId: 'op-1' });
    expect(replay).toEqual({ version: first.version, opId: 'op-1', isReplay: true, durability: 'memory' });
    expect(await sessions.getUserSession('ana')).toEqual({ state: { step: 'new' }, version: other.version });
  });

  it('a repeated conditional save is answered although the session already has its own version', async () => {
    const { sessions } = isolatedClient();
    const options = { ifVersion: '0', opId: 'op-1' };
    const first = await sessions.saveUserState('ana', { count: 1 }, options);
    expect(await sessions.saveUserState('ana', { count: 1 }, options)).toMatchObject({
      version: first.version,
      isReplay: true,
    });
  });

  it.each(['', 'a b', 'a=1', 'x'.repeat(65), 'ñ'])('%j is refused', async (opId) => {
    const { sessions } = isolatedClient();
    await expect(sessions.saveUserState('ana', {}, { opId })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
    });
  });
});

describe('clearing', () => {
  it('P3: a cleared session is gone, announced, and of a newer version', async () => {
    const { sessions, redis, keyspace, locate } = isolatedClient();
    const saved = await sessions.saveUserState('ana', { step: 'x' });
    const cleared = await sessions.clearUserState('ana');
    expect(BigInt(cleared.version)).toBeGreaterThan(BigInt(saved.version));
    expect(await sessions.getUserState('ana')).toBeUndefined();
    expect(await sessions.getUserSession('ana')).toBeUndefined();
    expect(await sessionTexts(redis, locate('ana').key)).toMatchObject({
      ...{ state: '', tombstone: '1', dirty: '1' },
    });
    expect(await redis.zcard(keyspace.dirty(locate('ana').partition))).toBe(1);
  });

  it('a cleared session can be saved again', async () => {
    const { sessions } = isolatedClient();
    await sessions.clearUserState('ana');
    await sessions.saveUserState('ana', { step: 'again' });
    expect(await sessions.getUserState('ana')).toEqual({ step: 'again' });
  });
});

describe('a schema', () => {
  // What zod and others implement; here a counter that must not be negative.
  const schema = {
    '~standard': {
      version: 1 as const,
      vendor: 'test',
      validate: (value: unknown) => {
        const count = (value as { count?: unknown }).count;
        return typeof count === 'number' && count >= 0
          ? { value: { count: Math.floor(count) } }
          : { issues: [{ message: `got ${count}`, path: ['count'] }] };
      },
    },
  };

  it('decides what is saved and what is read, and is quoted only by path', async () => {
    const { sessions: plain, keyspace } = isolatedClient();
    const { keyPrefix, partitions } = keyspace;
    const sessions = createSessionClient({ redis: inject('redisUrl'), keyPrefix, partitions, schema });
    onTestFinished(() => sessions.close());
    await sessions.saveUserState('ana', { count: 1.5 });
    expect(await plain.getUserState('ana')).toEqual({ count: 1 });
    const refused = expect.objectContaining({
      code: 'STATE_REJECTED',
      path: '$.count',
      message: expect.not.stringContaining('got'),
    });
    await expect(sessions.saveUserState('ana', { count: -77 })).rejects.toEqual(refused);
    await plain.saveUserState('ana', { count: -77 });
    await expect(sessions.getUserState('ana')).rejects.toEqual(refused);
  });
});
