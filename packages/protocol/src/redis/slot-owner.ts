/// <reference path="./cluster-key-slot.d.ts" />
import calculateSlot from 'cluster-key-slot';
import { isCluster, type RedisConnection } from './redis-connection.ts';

/**
 * The address of the node of a cluster that commands for a key go to; undefined without a cluster. It changes when the
 * first command was redirected, before that command is answered: the primary may have hung, and have a successor, while
 * no connection was lost.
 */
export function slotOwner(redis: RedisConnection, key: string): string | undefined {
  return isCluster(redis) ? redis.slots[calculateSlot(key)]?.[0] : undefined;
}
