// One Redis; each fleet reaches it through a proxy of its own.
import { startRedis, startTcpProxy } from '@cauce/dev-services';
import { Redis } from 'ioredis';
import type { SingleServer } from './store.ts';

export async function openSingleServer(): Promise<SingleServer> {
  const redis = await startRedis({ startTimeoutMs: 20_000 });
  const links = {
    bots: await startTcpProxy({ targetPort: redis.port }),
    consumers: await startTcpProxy({ targetPort: redis.port }),
  };
  const admin = new Redis(redis.url, { maxRetriesPerRequest: null, retryStrategy: () => 20 });
  admin.on('error', () => {});
  return {
    ...{ kind: 'single', redis, links, admin },
    urlFor: (who) => (who === 'harness' ? redis.url : links[who].urlFor(redis.url)),
    flushScripts: () => admin.script('FLUSH'),
    untilReplicated: async () => {},
    async close() {
      admin.disconnect();
      await Promise.all(Object.values(links).map((link) => link.stop()));
      await redis.stop();
    },
  };
}
