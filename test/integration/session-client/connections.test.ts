import { once } from 'node:events';
import { startRedis, startTcpProxy } from '@cauce/dev-services';
import { createSessionClient } from '@cauce/session-client';
import { Cluster, Redis } from 'ioredis';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { eventually } from '../../helpers/eventually.ts';
import { connectRedis, uniqueName } from '../../helpers/isolated.ts';
import { isolatedClient, signal } from './client.ts';

/** As a bot has to open its own. */
function ownConnection(): Redis {
  const safe = { maxRetriesPerRequest: 0, enableOfflineQueue: false, lazyConnect: true };
  const redis = new Redis(inject('redisUrl'), safe);
  onTestFinished(() => redis.disconnect());
  return redis;
}

describe('a connection that was passed in', () => {
  it('is used and never closed', async () => {
    const redis = ownConnection();
    const sessions = createSessionClient({ redis, keyPrefix: uniqueName() });
    await sessions.saveUserState('ana', { step: 'x' });
    await sessions.close();
    expect(await redis.ping()).toBe('PONG');
  });

  it('need not be connected yet', async () => {
    const redis = ownConnection();
    await using sessions = createSessionClient({ redis, keyPrefix: uniqueName() });
    await sessions.saveUserState('ana', { step: 'x' });
  });

  it('is not used while it is away', async () => {
    const redis = ownConnection();
    await using sessions = createSessionClient({ redis, keyPrefix: uniqueName() });
    await sessions.saveUserState('ana', { step: 'x' });
    const away = once(redis, 'close');
    redis.disconnect(true);
    await away;
    await expect(sessions.saveUserState('ana', { step: 'late' })).rejects.toMatchObject({
      code: 'SAVE_REJECTED',
    });
    expect(await eventually(() => sessions.getUserState('ana'))).toEqual({ step: 'x' });
  });

  it("with ioredis' own keyPrefix is refused", () => {
    const redis = new Redis(inject('redisUrl'), { keyPrefix: 'mine:', lazyConnect: true });
    const options = { keyPrefix: 'mine:', host: '127.0.0.1' };
    for (const source of [redis, options]) {
      expect(() => createSessionClient({ redis: source })).toThrow(
        expect.objectContaining({ code: 'INVALID_OPTION' }),
      );
    }
  });

  it('may be a cluster: sessions of many partitions are saved, read in a batch and updated', async () => {
    const server = await startRedis({
      appendOnly: false,
      extraArgs: ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1'],
    });
    onTestFinished(() => server.stop());
    const node = connectRedis(server.url);
    await node.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
    await eventually(async () => expect(await node.call('CLUSTER', 'INFO')).toContain('cluster_state:ok'));
    const safe = { retryDelayOnFailover: 0, enableOfflineQueue: false };
    const cluster = new Cluster([{ host: '127.0.0.1', port: server.port }], safe);
    onTestFinished(() => cluster.disconnect());
    await using sessions = createSessionClient<{ count: number }>({ redis: cluster });
    const users = Array.from({ length: 50 }, (_, i) => `u${i}`);
    await Promise.all(users.map((user, count) => sessions.saveUserState(user, { count })));
    await sessions.updateUserState('u0', () => ({ count: 100 }));
    expect(await sessions.getUserStates(users)).toEqual(users.map((_, i) => ({ count: i === 0 ? 100 : i })));
    expect(await sessions.getTenantInfo('acme', () => 1)).toBe(1);
  });
});

describe('the layout of the data', () => {
  it('with another partition count is refused with LAYOUT_MISMATCH that names both', async () => {
    const { sessions, keyspace } = isolatedClient();
    await sessions.saveUserState('ana', {});
    await using other = createSessionClient({
      redis: inject('redisUrl'),
      keyPrefix: keyspace.keyPrefix,
      partitions: 16,
    });
    const mismatch = expect.objectContaining({
      code: 'LAYOUT_MISMATCH',
      message: expect.stringMatching(/4 partitions.*16 partitions/),
    });
    await expect(other.saveUserState('ana', {})).rejects.toEqual(mismatch);
    await expect(other.getUserState('ana')).rejects.toEqual(mismatch);
  });
});

describe('closing', () => {
  it('refuses every call with CLOSED, and may be repeated', async () => {
    const { sessions } = isolatedClient();
    await sessions.saveUserState('ana', {});
    await Promise.all([sessions.close(), sessions.close()]);
    const closed = expect.objectContaining({ code: 'CLOSED', retryable: false });
    await expect(sessions.saveUserState('ana', {})).rejects.toEqual(closed);
    await expect(sessions.getUserState('ana')).rejects.toEqual(closed);
    await expect(sessions.getUserSession('ana')).rejects.toEqual(closed);
    await expect(sessions.getUserStates(['ana'])).rejects.toEqual(closed);
    await expect(sessions.updateUserState('ana', () => ({}))).rejects.toEqual(closed);
    await expect(sessions.clearUserState('ana')).rejects.toEqual(closed);
    await expect(sessions.getTenantInfo('acme', () => 1)).rejects.toEqual(closed);
    await expect(sessions.invalidateTenant('acme')).rejects.toEqual(closed);
  });

  it('lets calls under way end, an update included', async () => {
    const { sessions, another } = isolatedClient();
    const changing = signal();
    const goOn = signal();
    const updating = sessions.updateUserState('ana', async () => {
      changing.give();
      await goOn.promise;
      return { step: 'updated' };
    });
    const saves = Array.from({ length: 20 }, (_, i) => sessions.saveUserState(`u${i}`, {}));
    await changing.promise;
    const closing = sessions.close();
    goOn.give();
    await Promise.all([...saves, updating, closing]);
    expect(await another().getUserState('ana')).toEqual({ step: 'updated' });
  });

  it('closes the connection that was opened here, also at the end of an await using block', async () => {
    const url = inject('redisUrl');
    const proxy = await startTcpProxy({ targetPort: Number(new URL(url).port) });
    onTestFinished(() => proxy.stop());
    {
      await using sessions = createSessionClient({ redis: proxy.urlFor(url), keyPrefix: uniqueName() });
      await sessions.saveUserState('ana', {});
      expect(proxy.connectionCount).toBe(1);
    }
    await eventually(() => expect(proxy.connectionCount).toBe(0));
  });

  it('aborts a restore that outlasts the calls', async () => {
    const asked = signal<AbortSignal | undefined>();
    const loader = {
      load: (_: unknown, { signal: closing }: { signal?: AbortSignal }) => {
        asked.give(closing);
        return new Promise<never>((_resolve, reject) => {
          closing?.addEventListener('abort', () => reject(closing.reason));
        });
      },
    };
    const { sessions } = isolatedClient({ loader, commandTimeoutMs: 500 });
    const loading = expect(sessions.getUserState('ana')).rejects.toMatchObject({ code: 'RESTORE_FAILED' });
    const closing = await asked.promise;
    await sessions.close();
    expect(closing?.aborted).toBe(true);
    await loading;
  });
});
