import type { Cluster, Redis } from 'ioredis';

/** A connection of ioredis 5.11+ or 6, to one server or to a cluster. */
export type RedisConnection = Redis | Cluster;

/** Not instanceof: the connection may come from another copy of ioredis. */
export function isCluster(redis: RedisConnection): redis is Cluster {
  return 'nodes' in redis;
}
