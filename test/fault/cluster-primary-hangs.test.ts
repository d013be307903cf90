import { type RedisServer, startRedisCluster } from '@cauce/dev-services';
import { createKeyspace, type StoredSession } from '@cauce/protocol';
import { createSessionClient, isCauceError, type SessionClient } from '@cauce/session-client';
import { Redis } from 'ioredis';
import { beforeEach, expect, it, onTestFinished } from 'vitest';
import { eventually } from '../helpers/eventually.ts';
import { uniqueName } from '../helpers/isolated.ts';
import { rewriteSession } from '../helpers/session-hash.ts';
import { loaderOf } from '../integration/session-client/client.ts';

interface State {
  readonly count: number;
}

let sessions: SessionClient<State>;
let another: SessionClient<State>;

/** A session with count 1 on a new primary, which lacks a later save with count 2 that PostgreSQL has. */
beforeEach(async () => {
  const cluster = await startRedisCluster({ replicas: 1 });
  onTestFinished(() => cluster.stop());
  const keyPrefix = uniqueName();
  const { key } = createKeyspace({ keyPrefix }).locate({ tenantId: 'default', userId: 'ana' });
  let row: StoredSession | undefined;
  [sessions, another] = [1, 2].map(() => {
    const client = createSessionClient<State>({ redis: cluster.url, keyPrefix, loader: loaderOf(() => row) });
    onTestFinished(() => client.close());
    return client;
  }) as [SessionClient<State>, SessionClient<State>];
  const { version } = await sessions.saveUserState('ana', { count: 1 });
  const old = await cluster.ownerOf(await cluster.slotOf(key));
  const [woken, successor] = [old, cluster.nodes[cluster.nodes.indexOf(old) + 3] as RedisServer].map(
    ({ url }) => {
      const redis = new Redis(url);
      onTestFinished(() => redis.disconnect());
      return redis;
    },
  ) as [Redis, Redis];
  await eventually(async () => expect(await successor.call('DBSIZE')).toBe(await woken.call('DBSIZE')));

  old.pause();
  await successor.call('CLUSTER', 'FAILOVER', 'TAKEOVER');
  await eventually(async () => expect((await successor.role())[0]).toBe('master'));
  old.resume();
  await eventually(async () => expect((await woken.role())[0]).toBe('slave'));
  await rewriteSession(successor, key, { dirty: '0', event: '' });
  row = { state: '{"count":2}', version: String(BigInt(version) + 1n), isTombstone: false };
});

/** What a bot does with an error that is retryable: ioredis may learn of the new primary meanwhile. */
async function retried<Answer>(call: () => Promise<Answer>): Promise<Answer> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!isCauceError(error) || !error.retryable) throw error;
    }
  }
}

const load = (client: SessionClient<State>) => retried(() => client.getUserState('ana'));

it('P6 a bot that was connected before a primary of a cluster hung reads nothing older from its successor', async () => {
  expect(await load(sessions)).toEqual({ count: 2 });
});

it('P6 a bot that was connected before a primary of a cluster hung builds on nothing older', async () => {
  await retried(() => sessions.updateUserState('ana', (state) => ({ count: (state?.count ?? 0) + 1 })));
  expect(await load(sessions)).toEqual({ count: 3 });
});

it('P6 nor does a bot that connects afterwards', async () => {
  expect(await load(another)).toEqual({ count: 2 });
});
