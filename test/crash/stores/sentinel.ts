// A primary with a replica, watched by three sentinels.
import { startSentinelGroup } from '@cauce/dev-services';
import { Redis } from 'ioredis';
import { onNode, untilReplicated } from './on-node.ts';
import type { SentinelStore } from './store.ts';

export async function openSentinel(): Promise<SentinelStore> {
  const group = await startSentinelGroup({ startTimeoutMs: 20_000 });
  const admin = new Redis({
    sentinels: group.sentinels.map(({ port }) => ({ host: '127.0.0.1', port })),
    name: group.masterName,
    maxRetriesPerRequest: null,
    retryStrategy: () => 50,
    sentinelRetryStrategy: () => 50,
    // A former primary: connect again to the present one, and repeat.
    reconnectOnError: ({ message }) => (message.startsWith('READONLY') ? 2 : false),
  });
  admin.on('error', () => {});
  return {
    ...{ kind: 'sentinel', group, admin },
    urlFor: () => group.url,
    flushScripts: async () =>
      Promise.all(group.nodes.map((node) => onNode(node, (redis) => redis.script('FLUSH')))),
    untilReplicated: async (partition) => untilReplicated(await group.primary(), partition),
    async close() {
      admin.disconnect();
      await group.stop();
    },
  };
}
