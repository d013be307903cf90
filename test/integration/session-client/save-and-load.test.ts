import { SESSION_HASH } from '@cauce/protocol';
import { createSessionClient } from '@cauce/session-client';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { rewriteSession, type SessionTexts, sessionTexts } from '../../helpers/session-hash.ts';
import { isolatedClient } from './client.ts';

describe('saving and loading', () => {
  it('P1: a save announces the session exactly once however often it is saved, and pins it (P2, P8)', async () => {
    const { sessions, redis, keyspace, locate } = isolatedClient();
    for (let i = 0; i < 5; i++) await sessions.saveUserState('ana', { count: i });
    const { key, partition } = locate('ana');
    expect(await redis.xlen(keyspace.changes(partition))).toBe(1);
    expect(await redis.zrange(keyspace.dirty(partition), '0', '-1')).toEqual([key]);
    expect(await redis.pttl(key)).toBe(-1);
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
