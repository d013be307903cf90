import { type RedisServer, type RedisServerOptions, startRedis, startTcpProxy } from '@cauce/dev-services';
import { openRedis } from '@cauce/protocol';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import {
  createPartitionOpener,
  RECHECK_AFTER_MS,
} from '../../../packages/session-client/src/partition-opener.ts';
import { eventually } from '../../helpers/eventually.ts';
import { isolatedRedis } from '../../helpers/isolated.ts';
import { sessionTexts } from '../../helpers/session-hash.ts';
import { isolatedClient, row } from './client.ts';

async function ownRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const server = await startRedis({ appendOnly: false, ...options });
  onTestFinished(() => server.stop());
  return server;
}

async function proxied() {
  const url = inject('redisUrl');
  const proxy = await startTcpProxy({ targetPort: Number(new URL(url).port) });
  onTestFinished(() => proxy.stop());
  return { proxy, url: proxy.urlFor(url) };
}

describe('Redis with its memory full (P7)', () => {
  it('refuses saves cleanly, still loads and restores, lets new clients in, and then saves again', async () => {
    const server = await ownRedis({ maxMemoryBytes: 6_000_000 });
    const loader = { load: async () => [row({ step: 'old' })] };
    const { sessions, another, redis, keyspace, locate } = isolatedClient({ url: server.url, loader });
    await sessions.saveUserState('ana', { step: 'x' });
    const fill = async (): Promise<void> => {
      for (let i = 0; i < 200; i++) await sessions.saveUserState(`u${i}`, { step: 'x'.repeat(100_000) });
    };
    await expect(fill()).rejects.toMatchObject({
      code: 'SAVE_REJECTED',
      retryable: true,
      failure: { effect: 'refused', reason: 'OOM' },
    });
    // Redis gives back its connections' buffers now; that must not let a save through.
    await redis.config('SET', 'maxmemory', '4mb');
    const before = await redis.hgetall(locate('ana').key);
    await expect(sessions.saveUserState('ana', { step: 'y' })).rejects.toMatchObject({
      code: 'SAVE_REJECTED',
    });
    await expect(sessions.clearUserState('ana')).rejects.toMatchObject({ code: 'SAVE_REJECTED' });
    expect(await redis.hgetall(locate('ana').key)).toEqual(before);

    const late = another({ loader });
    expect(await late.getUserState('ana')).toEqual({ step: 'x' });
    expect(await late.getUserStates(['ana', 'absent'])).toEqual([{ step: 'x' }, { step: 'old' }]);
    expect(await redis.exists(locate('absent').key)).toBe(0);
    expect(await late.getTenantInfo('acme', () => 1)).toBe(1);
    expect(await redis.exists(keyspace.tenant('acme').info)).toBe(0);

    await redis.config('SET', 'maxmemory', '0');
    await sessions.saveUserState('ana', { step: 'y' });
    expect(await late.getUserState('ana')).toEqual({ step: 'y' });
  });
});

describe('Redis that may drop sessions (P2)', () => {
  it('is refused with REDIS_UNSAFE by every call, and accepted as soon as it is set right', async () => {
    const server = await ownRedis({ maxMemoryPolicy: 'allkeys-lru' });
    const { sessions, redis } = isolatedClient({ url: server.url });
    const unsafe = expect.objectContaining({
      code: 'REDIS_UNSAFE',
      message: expect.stringContaining('allkeys-lru'),
    });
    await expect(sessions.saveUserState('ana', {})).rejects.toEqual(unsafe);
    await expect(sessions.clearUserState('ana')).rejects.toEqual(unsafe);
    await expect(sessions.getUserState('ana')).rejects.toEqual(unsafe);
    await expect(sessions.getTenantInfo('acme', () => 1)).rejects.toEqual(unsafe);
    expect(await redis.dbsize()).toBe(0);
    await redis.config('SET', 'maxmemory-policy', 'noeviction');
    await sessions.saveUserState('ana', {});
  });

  it('is noticed within 30 s of use when it becomes so, and heals', async () => {
    const server = await ownRedis();
    const { redis, keyspace, scripts } = isolatedRedis({ url: server.url });
    const connection = openRedis(server.url, {
      ...{ connectionName: 'test', answerTimeoutMs: 1000, onError: () => {} },
    });
    onTestFinished(() => connection.close());
    let nowMs = 0;
    const limits = { connectTimeoutMs: 1000, commandTimeoutMs: 1000 };
    const opener = createPartitionOpener({ connection, keyspace, scripts, now: () => nowMs }, limits);
    await opener.open([0]);
    await redis.config('SET', 'maxmemory-policy', 'allkeys-random');
    nowMs = RECHECK_AFTER_MS;
    await opener.open([0]);
    nowMs += 1;
    // This use only sets off the check; it does not wait for it.
    await opener.open([0]);
    await eventually(() => expect(opener.open([0])).rejects.toMatchObject({ code: 'REDIS_UNSAFE' }));
    await expect(opener.open([0])).rejects.toMatchObject({ code: 'REDIS_UNSAFE' });
    await redis.config('SET', 'maxmemory-policy', 'volatile-lru');
    await opener.open([0]);
  });

  it('a replica is refused', async () => {
    const primary = await ownRedis();
    const replica = await ownRedis({ extraArgs: ['--replicaof', '127.0.0.1', String(primary.port)] });
    const { sessions } = isolatedClient({ url: replica.url });
    await expect(sessions.getUserState('ana')).rejects.toMatchObject({ code: 'REDIS_UNSAFE' });
  });
});

describe('Redis that is away', () => {
  it('rejects saves at once, fails loads, and serves again when it is back', async () => {
    const server = await ownRedis({ appendOnly: true });
    const { sessions } = isolatedClient({ url: server.url });
    await sessions.saveUserState('ana', { step: 'x' });
    await server.shutdown();
    const rejected = {
      code: 'SAVE_REJECTED',
      retryable: true,
      failure: { effect: 'refused', reason: 'NOT_CONNECTED' },
    };
    await eventually(() =>
      expect(sessions.saveUserState('ana', { step: 'y' })).rejects.toMatchObject(rejected),
    );
    const startedMs = performance.now();
    for (let i = 0; i < 50; i++) {
      await expect(sessions.saveUserState('ana', { step: 'y' })).rejects.toMatchObject(rejected);
    }
    expect(performance.now() - startedMs).toBeLessThan(10_000);
    await expect(sessions.getUserState('ana')).rejects.toMatchObject({
      code: 'REDIS_UNAVAILABLE',
      retryable: true,
    });
    await expect(sessions.getUserStates(['ana'])).rejects.toMatchObject({ code: 'REDIS_UNAVAILABLE' });
    await server.restart();
    expect(await eventually(() => sessions.getUserState('ana'))).toEqual({ step: 'x' });
  });

  it('from the start: the first call waits connectTimeoutMs, and a later one finds it', async () => {
    const { proxy, url } = await proxied();
    proxy.refuse();
    const errors: Error[] = [];
    const { another } = isolatedClient();
    const sessions = another({
      redis: url,
      connectTimeoutMs: 50,
      onRedisError: (error) => errors.push(error),
    });
    await expect(sessions.saveUserState('ana', {})).rejects.toMatchObject({
      code: 'SAVE_REJECTED',
      retryable: true,
    });
    await expect(sessions.getUserState('ana')).rejects.toMatchObject({ code: 'REDIS_UNAVAILABLE' });
    expect(errors.length).toBeGreaterThan(0);
    await proxy.accept();
    await eventually(() => sessions.saveUserState('ana', { step: 'x' }));
  });
});

describe('a save whose reply is lost', () => {
  it('is SAVE_UNKNOWN; repeated with the opId it gives the version it got the first time', async () => {
    const { proxy, url } = await proxied();
    const { another, redis, locate } = isolatedClient();
    const sessions = another({ redis: url });
    const { version: before } = await sessions.saveUserState('ana', { count: 1 });
    proxy.holdReplies();
    const outcome = sessions.saveUserState('ana', { count: 2 }).catch((error: unknown) => error);
    const applied = await eventually(async () => {
      const { version } = await sessionTexts(redis, locate('ana').key);
      expect(version).not.toBe(before);
      return version;
    });
    proxy.cutConnections();
    proxy.releaseReplies();
    const unknown = (await outcome) as { opId: string };
    expect(unknown).toMatchObject({
      code: 'SAVE_UNKNOWN',
      retryable: true,
      failure: { effect: 'unknown', reason: 'CONNECTION_LOST' },
    });
    const { opId } = unknown;
    const repeated = await eventually(() => sessions.saveUserState('ana', { count: 2 }, { opId }));
    expect(repeated).toEqual({ version: applied, opId, isReplay: true, durability: 'memory' });
  });

  it('is SAVE_UNKNOWN after commandTimeoutMs on a connection that is only silent', async () => {
    const { proxy, url } = await proxied();
    const { another } = isolatedClient();
    const sessions = another({ redis: url, commandTimeoutMs: 500 });
    await sessions.saveUserState('ana', {});
    proxy.holdReplies();
    await expect(sessions.saveUserState('ana', {})).rejects.toMatchObject({
      code: 'SAVE_UNKNOWN',
      opId: expect.stringMatching(/^[\w-]{12}$/),
    });
    await expect(sessions.getUserState('ana')).rejects.toMatchObject({ code: 'REDIS_UNAVAILABLE' });
    proxy.cutConnections();
    proxy.releaseReplies();
  });

  it('does not make an update count twice', async () => {
    const { proxy, url } = await proxied();
    const { another, redis, locate, sessions: direct } = isolatedClient();
    const sessions = another({ redis: url });
    const { version: before } = await sessions.saveUserState('ana', { count: 1 });
    let calls = 0;
    const updating = sessions.updateUserState('ana', (state) => {
      calls++;
      proxy.holdReplies();
      return { count: (state?.count ?? 0) + 1 };
    });
    await eventually(async () =>
      expect((await sessionTexts(redis, locate('ana').key)).version).not.toBe(before),
    );
    proxy.cutConnections();
    proxy.releaseReplies();
    expect(await updating).toMatchObject({ isReplay: true, durability: 'memory' });
    expect([calls, await direct.getUserState('ana')]).toEqual([1, { count: 2 }]);
  });

  it('leaves an update SAVE_UNKNOWN when others have saved since and the answer cannot be known', async () => {
    const { proxy, url } = await proxied();
    const { another, redis, locate, sessions: direct } = isolatedClient();
    const sessions = another({ redis: url });
    const { version: before } = await sessions.saveUserState('ana', { count: 1 });
    const updating = sessions.updateUserState('ana', () => {
      proxy.holdReplies();
      return { count: 2 };
    });
    await eventually(async () =>
      expect((await sessionTexts(redis, locate('ana').key)).version).not.toBe(before),
    );
    for (let count = 10; count < 14; count++) await direct.saveUserState('ana', { count });
    proxy.cutConnections();
    proxy.releaseReplies();
    await expect(updating).rejects.toMatchObject({ code: 'SAVE_UNKNOWN' });
    expect(await direct.getUserState('ana')).toEqual({ count: 13 });
  });
});

describe('aborting a save', () => {
  it('before it is sent changes nothing', async () => {
    const { sessions } = isolatedClient();
    const aborted = AbortSignal.abort();
    await expect(sessions.saveUserState('ana', {}, { signal: aborted })).rejects.toMatchObject({
      code: 'ABORTED',
      opId: undefined,
    });
    await expect(sessions.updateUserState('ana', () => ({}), { signal: aborted })).rejects.toMatchObject({
      code: 'ABORTED',
    });
    expect(await sessions.getUserState('ana')).toBeUndefined();
  });

  it('after it is sent says that it may still be applied, and with which opId to repeat it', async () => {
    const { proxy, url } = await proxied();
    const { another, redis, locate } = isolatedClient();
    const sessions = another({ redis: url });
    const { version: before } = await sessions.saveUserState('ana', { step: 'before' });
    proxy.holdReplies();
    const abort = new AbortController();
    const saving = sessions.saveUserState('ana', { step: 'x' }, { signal: abort.signal, opId: 'op-1' });
    const outcome = expect(saving).rejects.toMatchObject({
      code: 'ABORTED',
      opId: 'op-1',
      message: expect.stringContaining('may still be applied'),
    });
    await eventually(async () =>
      expect((await sessionTexts(redis, locate('ana').key)).version).not.toBe(before),
    );
    abort.abort();
    await outcome;
    proxy.releaseReplies();
    expect(await sessions.saveUserState('ana', { step: 'x' }, { opId: 'op-1' })).toMatchObject({
      isReplay: true,
    });
  });
});
