import type { Redis } from 'ioredis';

export interface KeyDump {
  readonly type: string;
  readonly hasTtl: boolean;
  readonly content: unknown;
}

/** Everything under a prefix: types, contents, consumer groups with what is pending, and whether a TTL runs. */
export async function snapshot(redis: Redis, prefix: string): Promise<Record<string, KeyDump>> {
  const keys = (await redis.keys(`${prefix}:*`)).sort();
  const dumps: Record<string, KeyDump> = {};
  for (const key of keys) {
    const type = await redis.type(key);
    const hasTtl = (await redis.pttl(key)) >= 0;
    dumps[key] = { type, hasTtl, content: await contentOf(redis, key, type) };
  }
  return dumps;
}

async function contentOf(redis: Redis, key: string, type: string): Promise<unknown> {
  switch (type) {
    case 'string':
      return redis.get(key);
    case 'hash':
      return redis.hgetall(key);
    case 'list':
      return redis.lrange(key, 0, -1);
    case 'zset':
      return redis.zrange(key, '0', '-1', 'WITHSCORES');
    case 'stream':
      return { entries: await redis.xrange(key, '-', '+'), groups: await groupsOf(redis, key) };
    default:
      throw new Error(`no dump for type ${type}`);
  }
}

async function groupsOf(redis: Redis, stream: string): Promise<unknown[]> {
  const groups = (await redis.xinfo('GROUPS', stream)) as unknown[][];
  return Promise.all(
    groups.map(async (flat) => {
      const info = new Map(pairs(flat));
      const name = String(info.get('name'));
      const pending = (await redis.xpending(stream, name, '-', '+', 1000)) as unknown[][];
      const consumers = (await redis.xinfo('CONSUMERS', stream, name)) as unknown[][];
      return {
        name,
        lastDelivered: info.get('last-delivered-id'),
        // Without the idle time, which goes on by itself.
        pending: pending.map(([id, consumer]) => [id, consumer]),
        consumers: consumers.map((fields) => new Map(pairs(fields)).get('name')),
      };
    }),
  );
}

function pairs(flat: readonly unknown[]): [unknown, unknown][] {
  return Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i], flat[2 * i + 1]]);
}
