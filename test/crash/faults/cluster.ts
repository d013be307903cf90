// What happens to the nodes of a cluster, and to the slots they share.

import { setTimeout as delay } from 'node:timers/promises';
import type { RedisCluster, RedisServer } from '@cauce/dev-services';
import { nowUs } from '../history.ts';
import { between, pick } from '../random.ts';
import { PARTITIONS } from '../sessions.ts';
import { onNode, untilFollowing, untilReplicated } from '../stores/on-node.ts';
import { storeOf } from '../stores/store.ts';
import { type Fault, type FaultContext, type FaultEvidence, onRedis } from './fault.ts';
import { lostTail } from './lost-tail.ts';

const LIMIT_MS = 90_000;
/** Redis gives up a failover that takes longer than 5 s, because the replica was behind. Then it is asked again. */
const FAILOVER_MS = 10_000;

export const clusterFaults: readonly Fault[] = [
  { name: 'master SIGKILL', weight: 4, target: onRedis, strike: killMaster },
  { name: 'planned failover', weight: 2, target: onRedis, strike: failOver },
  { name: 'slot moved', weight: 4, target: onRedis, strike: moveSlot },
  { name: 'replica SIGKILL', weight: 2, target: onRedis, strike: killReplica },
];

/** Of the master of a partition: its replica is promoted, and it comes back as a replica. */
async function killMaster({ world, random }: FaultContext): Promise<FaultEvidence> {
  const { cluster, slots, slotOf } = storeOf('cluster', world);
  const hit = between(random, 0, PARTITIONS - 1);
  const slot = slotOf(hit);
  const owners = await Promise.all(slots.map((one) => cluster.ownerOf(one)));
  const old = await cluster.ownerOf(slot);
  const lostSinceUs = await untilReplicated(old, hit);
  await old.kill();
  const killedUs = nowUs();
  await cluster.untilFailedOver(slot, old, LIMIT_MS);
  world.see('replica promoted');
  await delay(between(random, 0, 500));
  await old.restart();
  await untilFollowing(old);
  return { redisRestart: lostTail(lostSinceUs, killedUs, (partition) => owners[partition] === old) };
}

/** The master holds its clients until the replica has everything: nothing may be lost. */
async function failOver({ world, random }: FaultContext): Promise<void> {
  const { cluster, slots } = storeOf('cluster', world);
  const slot = pick(random, slots);
  const old = await cluster.ownerOf(slot);
  const replica = await replicaOf(cluster, old);
  for (let leftMs = LIMIT_MS; ; leftMs -= FAILOVER_MS) {
    // One that was promoted late refuses to be asked again.
    await onNode(replica, (redis) => redis.cluster('FAILOVER')).catch(() => {});
    try {
      await cluster.untilFailedOver(slot, old, FAILOVER_MS);
      break;
    } catch (error) {
      if (leftMs <= FAILOVER_MS) throw error;
    }
  }
  world.see('replica promoted');
  await untilFollowing(old);
}

/** While it is used; now and then so slowly that saves run out of patience. */
async function moveSlot({ world, random }: FaultContext): Promise<void> {
  const { cluster, slots } = storeOf('cluster', world);
  const slot = pick(random, slots);
  const from = await cluster.ownerOf(slot);
  const others = new Set(await Promise.all([0, 8000, 16_383].map((one) => cluster.ownerOf(one))));
  others.delete(from);
  const isSlow = random() < 0.4;
  const pauseMs = between(random, 20, 150);
  const { keys } = await cluster.moveSlot(slot, pick(random, [...others]), {
    onChunk: () => (isSlow ? delay(pauseMs) : undefined),
  });
  world.see('slot moved');
  world.see('keys moved', keys);
}

async function killReplica({ world, random }: FaultContext): Promise<void> {
  const { cluster, slots } = storeOf('cluster', world);
  const replica = await replicaOf(cluster, await cluster.ownerOf(pick(random, slots)));
  await replica.kill();
  await delay(between(random, 100, 1500));
  await replica.restart();
  await untilFollowing(replica);
}

/** What ROLE says of a master; its replicas as host, port and offset. */
type MasterRole = [role: string, offset: number, replicas?: [host: string, port: string, offset: string][]];

/** A master names its replica once that has said how far it is. */
async function replicaOf(cluster: RedisCluster, master: RedisServer): Promise<RedisServer> {
  const endsAtMs = performance.now() + LIMIT_MS;
  while (performance.now() < endsAtMs) {
    const [, , replicas] = (await onNode(master, (redis) => redis.role())) as MasterRole;
    const replica = cluster.nodes.find((node) => String(node.port) === replicas?.[0]?.[1]);
    if (replica) return replica;
    await delay(20);
  }
  throw new Error(`nobody follows the node on port ${master.port}`);
}
