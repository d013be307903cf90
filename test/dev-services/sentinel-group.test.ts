import { existsSync } from 'node:fs';
import { type RedisServer, type SentinelGroup, startSentinelGroup } from '@cauce/dev-services';
import { Redis } from 'ioredis';
import { beforeAll, expect, it, onTestFinished } from 'vitest';
import { isRunning } from './is-running.ts';

let group: SentinelGroup;

beforeAll(async () => {
  group = await startSentinelGroup();
  return () => group.stop();
});

function connect({ url }: RedisServer): Redis {
  const redis = new Redis(url, { retryStrategy: () => null });
  onTestFinished(() => redis.disconnect());
  return redis;
}

it('a group has a primary with its data on a replica, and sentinels that agree', async () => {
  const primary = await group.primary();
  expect(primary).toBe(group.nodes[0]);
  const replica = group.nodes[1] as RedisServer;
  expect(await connect(primary).set('kept', 'yes')).toBe('OK');
  expect(await connect(primary).wait(1, 1000)).toBe(1);
  expect(await connect(replica).get('kept')).toBe('yes');
  expect(await connect(primary).config('GET', 'appendonly')).toEqual(['appendonly', 'yes']);
  const through = new Redis({ sentinels: group.sentinels.map(({ port }) => ({ port })), name: 'cauce' });
  onTestFinished(() => through.disconnect());
  expect(await through.get('kept')).toBe('yes');
  expect(group.url).toMatch(/^redis\+sentinel:\/\/127\.0\.0\.1:\d+(,127\.0\.0\.1:\d+){2}\/cauce$/);
});

it('kill -9 of the primary promotes the replica; restarted, the old one follows it with its data', async () => {
  const old = await group.primary();
  await connect(old).set('promoted', 'yes');
  expect(await connect(old).wait(1, 1000)).toBe(1);
  await old.kill();
  const next = await group.untilFailedOver(old);
  expect(next).not.toBe(old);
  expect(await connect(next).get('promoted')).toBe('yes');
  await connect(next).set('since', 'yes');

  await old.restart();
  await group.untilReplica(old);
  expect(await connect(old).get('since')).toBe('yes');
  await expect(connect(old).set('x', 'y')).rejects.toThrow('READONLY');
  expect(await group.primary()).toBe(next);
});

it('waiting for a failover that nobody needs ends with an error', async () => {
  await expect(group.untilFailedOver(await group.primary(), 100)).rejects.toMatchObject({
    code: 'START_FAILED',
  });
});

it('nothing is left of a stopped group', async () => {
  const other = await startSentinelGroup({ replicas: 2 });
  const servers = [...other.nodes, ...other.sentinels];
  expect(servers).toHaveLength(6);
  const [paused] = other.nodes;
  paused?.pause();
  await other.stop();
  expect(servers.filter(({ pid }) => isRunning(pid))).toEqual([]);
  expect(servers.filter(({ dataDir }) => existsSync(dataDir))).toEqual([]);
});
