// One Redis; each fleet reaches it through a proxy of its own.
import { startRedis, startTcpProxy } from '@cauce/dev-services';
import { Redis } from 'ioredis';

/**
 * @typedef {object} Store what a run needs of its Redis, whatever it consists of
 * @property {import('@cauce/protocol').RedisConnection} admin past the proxies: the harness' own hand; waits and repeats
 * @property {(who: 'bots' | 'consumers' | 'harness') => string} urlFor
 * @property {() => Promise<unknown>} flushScripts
 * @property {(partition: number) => Promise<unknown>} untilReplicated until a replica, if there is one, has what was written
 * @property {() => Promise<void>} close
 */

/** @returns {Promise<Store & Record<string, any>>} */
export async function openSingleServer() {
  const redis = await startRedis({ startTimeoutMs: 20_000 });
  const links = {
    bots: await startTcpProxy({ targetPort: redis.port }),
    consumers: await startTcpProxy({ targetPort: redis.port }),
  };
  const admin = new Redis(redis.url, { maxRetriesPerRequest: null, retryStrategy: () => 20 });
  admin.on('error', () => {});
  return {
    ...{ redis, links, admin },
    urlFor: (who) => links[who]?.urlFor(redis.url) ?? redis.url,
    flushScripts: () => admin.script('FLUSH'),
    untilReplicated: async () => {},
    async close() {
      admin.disconnect();
      await Promise.all(Object.values(links).map((link) => link.stop()));
      await redis.stop();
    },
  };
}
