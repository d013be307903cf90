import type { Redis } from 'ioredis';
import { expect } from 'vitest';
import { eventually } from './eventually.ts';

/** Makes a server with `cluster-enabled` a cluster of one node: it refuses a script whose keys lie in two slots. */
export async function ownEverySlot(redis: Redis): Promise<void> {
  if ((await redis.cluster('INFO')).includes('cluster_slots_assigned:0')) {
    await redis.call('CLUSTER', 'ADDSLOTSRANGE', 0, 16_383);
  }
  await eventually(async () => expect(await redis.cluster('INFO')).toContain('cluster_state:ok'));
}
