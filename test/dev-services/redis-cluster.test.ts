import { existsSync } from 'node:fs';
import { type RedisCluster, type RedisServer, startRedisCluster } from '@cauce/dev-services';
import { Redis } from 'ioredis';
import { beforeAll, expect, it, onTestFinished } from 'vitest';
import { isRunning } from './is-running.ts';

let cluster: RedisCluster;

beforeAll(async () => {
  cluster = await startRedisCluster({ replicas: 1 });
  return () => cluster.stop();
});

function connect({ url }: RedisServer): Redis {
  const redis = new Redis(url, { retryStrategy: () => null });
  onTestFinished(() => redis.disconnect());
  return redis;
}

it('three primaries share all slots, each with a replica', async () => {
  const owners = await Promise.all([0, 8000, 16_383].map((slot) => cluster.ownerOf(slot)));
  expect(owners).toEqual(cluster.nodes.slice(0, 3));
  for (const node of cluster.nodes) {
    expect(await connect(node).cluster('INFO')).toContain('cluster_slots_ok:16384');
  }
  const roles = await Promise.all(cluster.nodes.map(async (node) => (await connect(node).role())[0]));
  expect(roles).toEqual(['master', 'master', 'master', 'slave', 'slave', 'slave']);
});

it('a slot is moved with its keys, in chunks, while it is used', async () => {
  const slot = await cluster.slotOf('{moving}');
  const from = await cluster.ownerOf(slot);
  const to = cluster.nodes.slice(0, 3).find((node) => node !== from) as RedisServer;
  const source = connect(from);
  for (let i = 0; i < 25; i++) await source.set(`{moving}ñ${i}`, `value ${i}`);
  const chunks: number[] = [];
  const moved = await cluster.moveSlot(slot, to, {
    keysAtATime: 10,
    onChunk: async (movedKeys) => {
      chunks.push(movedKeys);
      expect(await connect(to).dbsize()).toBe(movedKeys);
    },
  });
  expect(moved).toEqual({ keys: 25, from, to });
  expect(chunks).toEqual([0, 10, 20, 25]);
  expect(await cluster.ownerOf(slot)).toBe(to);
  expect(await connect(to).get('{moving}ñ24')).toBe('value 24');
  await expect(source.get('{moving}ñ24')).rejects.toThrow(`MOVED ${slot} 127.0.0.1:${to.port}`);
});

it('kill -9 of a primary promotes its replica', async () => {
  const slot = 16_383;
  const old = await cluster.ownerOf(slot);
  await old.kill();
  const next = await cluster.untilFailedOver(slot, old);
  expect(next).toBe(cluster.nodes[5]);
  expect((await connect(next).role())[0]).toBe('master');
});

it('nothing is left of a stopped cluster', async () => {
  const other = await startRedisCluster();
  expect(other.nodes).toHaveLength(3);
  other.nodes[1]?.pause();
  await other.nodes[2]?.kill();
  await other.stop();
  expect(other.nodes.filter(({ pid }) => isRunning(pid))).toEqual([]);
  expect(other.nodes.filter(({ dataDir }) => existsSync(dataDir))).toEqual([]);
});
