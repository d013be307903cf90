// Three primaries that share the partitions, each with a replica.
import { startRedisCluster } from '@cauce/dev-services';
import { Cluster } from 'ioredis';
import { PARTITIONS } from '../sessions.ts';
import { onNode, untilReplicated } from './on-node.ts';
import type { ClusterStore } from './store.ts';

/** Each a tenth of a second apart: longer than a failover takes. */
const MOST_TRIES = 300;
const RETRY_MS = 100;

export async function openCluster(): Promise<ClusterStore> {
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
  const slotOf = (partition: number): number => {
    const slot = slots[partition];
    if (slot === undefined) throw new Error(`there is no partition ${partition}`);
    return slot;
  };
  return {
    ...{ kind: 'cluster', cluster, admin, slots, slotOf },
    urlFor: () => cluster.url,
    flushScripts: async () =>
      Promise.all(cluster.nodes.map((node) => onNode(node, (redis) => redis.script('FLUSH')))),
    untilReplicated: async (partition) =>
      untilReplicated(await cluster.ownerOf(slotOf(partition)), partition),
    async close() {
      admin.disconnect();
      await cluster.stop();
    },
  };
}
