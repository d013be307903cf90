/// <reference path="./cluster-key-slot.d.ts" />
import calculateSlot from 'cluster-key-slot';
import type { Cluster } from 'ioredis';

/**
 * The address of the node of a cluster that commands for a key go to; undefined while none is known. It changes when the
 * first command was redirected, before that command is answered: the primary may have hung, and have a successor, while
 * no connection was lost.
 */
export function slotOwner(cluster: Cluster, key: string): string | undefined {
  return cluster.slots[calculateSlot(key)]?.[0];
}
