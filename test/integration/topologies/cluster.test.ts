import { readFile } from 'node:fs/promises';
import { type RedisCluster, type RedisServer, startRedisCluster } from '@cauce/dev-services';
import { assessPrimaries, createKeyspace, openRedis } from '@cauce/protocol';
import { createSessionClient, type SessionClient } from '@cauce/session-client';
import { Redis } from 'ioredis';
import { beforeAll, expect, it, onTestFinished } from 'vitest';
import { eventually } from '../../helpers/eventually.ts';
import { uniqueName } from '../../helpers/isolated.ts';
import { slowest, startTraffic } from './traffic.ts';

const COMMAND_TIMEOUT_MS = 1500;
/** What the loop that settles a promise may be late by on a busy machine. */
const SLACK_MS = 3000;
/** A save is longer, what a replica tells its primary is shorter. */
const SAVE_BYTES = 200;

let cluster: RedisCluster;

beforeAll(async () => {
  cluster = await startRedisCluster({ replicas: 1 });
  return () => cluster.stop();
});

interface Client {
  readonly sessions: SessionClient<{ count?: number }>;
  readonly keyPrefix: string;
}

async function openClient(keyPrefix = uniqueName()): Promise<Client> {
  const sessions = createSessionClient<{ count?: number }>({
    redis: cluster.url,
    keyPrefix,
    commandTimeoutMs: COMMAND_TIMEOUT_MS,
  });
  onTestFinished(() => sessions.close());
  return { sessions, keyPrefix };
}

/** Users whose sessions lie on the node. */
async function usersOn(node: RedisServer, keyPrefix: string, count: number): Promise<string[]> {
  const keyspace = createKeyspace({ keyPrefix });
  const users: string[] = [];
  for (let i = 0; users.length < count; i++) {
    const { key } = keyspace.locate({ tenantId: 'default', userId: `u${i}` });
    if ((await cluster.ownerOf(await cluster.slotOf(key))) === node) users.push(`u${i}`);
  }
  return users;
}

function connect({ url }: RedisServer): Redis {
  const redis = new Redis(url);
  onTestFinished(() => redis.disconnect());
  return redis;
}

const options = { connectionName: 'topology-test', answerTimeoutMs: 1000, onError: () => {} };

it('a client saves, loads and updates on all three primaries', async () => {
  const { sessions, keyPrefix } = await openClient();
  const users = Array.from({ length: 60 }, (_, i) => `u${i}`);
  await Promise.all(users.map((user, count) => sessions.saveUserState(user, { count })));
  await sessions.updateUserState('u0', () => ({ count: 100 }));
  expect(await sessions.getUserStates(users)).toEqual(users.map((_, i) => ({ count: i === 0 ? 100 : i })));
  expect(await sessions.getTenantInfo('acme', () => 1)).toBe(1);
  for (const node of cluster.nodes.slice(0, 3)) {
    expect((await connect(node).keys(`${keyPrefix}:*:s:*`)).length).toBeGreaterThan(0);
  }
});

it('one unsafe primary is enough to be refused, and is named', async () => {
  const unsafe = cluster.nodes[1] as RedisServer;
  await connect(unsafe).config('SET', 'maxmemory-policy', 'allkeys-lru');
  const { sessions } = await openClient();
  await expect(sessions.saveUserState('ana', {})).rejects.toMatchObject({ code: 'REDIS_UNSAFE' });
  const opened = openRedis(cluster.url, options);
  await opened.ready(5000);
  const faults = (await assessPrimaries(opened.redis, { timeoutMs: 1000 })).map((health) => health.faults);
  await opened.close();
  expect(faults.flat()).toEqual([expect.stringMatching(`^127.0.0.1:${unsafe.port}: maxmemory-policy is`)]);
  expect(faults).toHaveLength(3);
  await connect(unsafe).config('SET', 'maxmemory-policy', 'noeviction');
  await sessions.saveUserState('ana', {});
});

it.runIf(process.platform === 'linux')(
  'F7 a save whose node dies after it was sent is unknown, and is not sent again',
  async () => {
    const { sessions, keyPrefix } = await openClient();
    const node = cluster.nodes[1] as RedisServer;
    const [user = ''] = await usersOn(node, keyPrefix, 1);
    const { version } = await sessions.saveUserState(user, { count: 1 });
    node.pause();
    const outcome = sessions.saveUserState(user, { count: 2 }).catch((error: unknown) => error);
    // The kernel took it for the server, which is stopped.
    await eventually(async () => expect(await unreadBytesOf(node)).toBeGreaterThan(SAVE_BYTES));
    await node.kill();
    await node.restart();
    expect(await outcome).toMatchObject({ code: 'SAVE_UNKNOWN' });
    await eventually(async () => {
      expect(await sessions.getUserSession(user)).toMatchObject({ state: { count: 1 }, version });
    });
  },
);

it('kill -9 of a primary: its saves end, others go on, and all succeed again without a restart', async () => {
  const { sessions, keyPrefix } = await openClient();
  const old = cluster.nodes[0] as RedisServer;
  const slot = 0;
  const spared = await usersOn(cluster.nodes[2] as RedisServer, keyPrefix, 3);
  const hit = await usersOn(old, keyPrefix, 4);
  const traffic = startTraffic(sessions, [...hit, ...spared]);
  await traffic.untilAllSave();
  await old.kill();
  await cluster.untilFailedOver(slot, old);
  const promotedMs = performance.now();
  await traffic.untilAllSave();
  const resumedAfterMs = performance.now() - promotedMs;
  await traffic.stop();

  expect(resumedAfterMs).toBeLessThan(10_000);
  expect(slowest(traffic.saves)).toBeLessThan(COMMAND_TIMEOUT_MS + SLACK_MS);
  const failed = traffic.saves.filter(({ outcome }) => outcome !== 'saved');
  expect(failed.some(({ userId }) => hit.includes(userId))).toBe(true);
  const another = await openClient(keyPrefix);
  for (const userId of [...hit, ...spared]) {
    const last = traffic.saves.findLast((save) => save.userId === userId);
    expect(last?.outcome).toBe('saved');
    expect(await another.sessions.getUserState(userId)).toEqual({ count: last?.count });
  }
});

it('roles that were swapped by hand are followed, and are no fault', async () => {
  const { sessions, keyPrefix } = await openClient();
  const [primary, replica] = [cluster.nodes[2], cluster.nodes[5]] as [RedisServer, RedisServer];
  const [userId = ''] = await usersOn(primary, keyPrefix, 1);
  await sessions.saveUserState(userId, { count: 1 });
  const opened = openRedis(cluster.url, options);
  await opened.ready(5000);
  await connect(replica).call('CLUSTER', 'FAILOVER');
  await eventually(async () => expect(await cluster.ownerOf(16_383)).toBe(replica));
  // This connection has not heard of it yet.
  const health = await assessPrimaries(opened.redis, { timeoutMs: 1000 });
  await opened.close();
  expect(health.flatMap(({ faults }) => faults)).toEqual([]);
  expect(health).toHaveLength(2);
  await sessions.saveUserState(userId, { count: 2 });
  expect(await sessions.getUserState(userId)).toEqual({ count: 2 });
});

it('ready and close work, and say what is wrong', async () => {
  const opened = openRedis(cluster.url, options);
  await opened.ready(5000);
  // At once and many: those for one node must not be refused while it is connected to.
  await Promise.all(Array.from({ length: 100 }, (_, i) => opened.redis.get(`key ${i}`)));
  const names = async (): Promise<string> =>
    (await Promise.all(cluster.nodes.slice(1, 4).map((node) => connect(node).client('LIST')))).join('\n');
  expect(await names()).toContain('name=topology-test');
  await opened.close();
  await expect(opened.redis.get('key')).rejects.toThrow();
  await eventually(async () => expect(await names()).not.toContain('name=topology-test'));

  const nobody = openRedis('redis+cluster://127.0.0.1:1,127.0.0.1:2', options);
  await expect(nobody.ready(300)).rejects.toMatchObject({
    failure: { effect: 'refused', reason: 'NOT_CONNECTED' },
    cause: { message: expect.any(String) },
  });
  await nobody.close();
});

/** What lies in the node's socket buffers: sent to it, and not read. */
async function unreadBytesOf({ port }: RedisServer): Promise<number> {
  const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const lines = (await readFile('/proc/net/tcp', 'utf8')).split('\n').map((line) => line.trim().split(/\s+/));
  return lines
    .filter(([, address, remote]) => address === local && remote !== '00000000:0000')
    .reduce((sum, [, , , , queues]) => sum + Number.parseInt(queues?.split(':')[1] ?? '0', 16), 0);
}
