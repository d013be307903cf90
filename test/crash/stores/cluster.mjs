// Three primaries that share the partitions, each with a replica.
import { startRedisCluster } from '@cauce/dev-services';
import { Cluster } from 'ioredis';
import { PARTITIONS } from '../sessions.mjs';
import { onNode, untilReplicated } from './on-node.mjs';

/** Each a tenth of a second apart: longer than a failover takes. */
const MOST_TRIES = 300;
const RETRY_MS = 100;

/** @returns {Promise<import('./single-server.mjs').Store & Record<string, any>>} */
export async function openCluster() {
  const cluster = await startRedisCluster({ replicas: 1, startTimeoutMs: 20_000 });
  const admin = new Cluster(
    cluster.nodes.map(({ port }) => ({ host: '127.0.0.1', port })),
    {
      maxRedirections: MOST_TRIES,
      retryDelayOnFailover: RETRY_MS,
      retryDelayOnClusterDown: RETRY_MS,
      retryDelayOnTryAgain: RETRY_MS,
      clusterRetryStrategy: () => RETRY_MS,
      slotsRefreshTimeout: 2000,
    },
  );
  admin.on('error', () => {});
  const slots = await Promise.all(
    Array.from({ length: PARTITIONS }, (_, partition) => cluster.slotOf(`{${partition}}`)),
  );
  return {
    ...{ cluster, admin, slots },
    urlFor: () => cluster.url,
    flushScripts: async () =>
      Promise.all(cluster.nodes.map((node) => onNode(node, (redis) => redis.script('FLUSH')))),
    untilReplicated: async (partition) => untilReplicated(await cluster.ownerOf(slots[partition]), partition),
    async close() {
      admin.disconnect();
      await cluster.stop();
    },
  };
}
