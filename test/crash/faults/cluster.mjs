// What happens to the nodes of a cluster, and to the slots they share.
import { setTimeout as delay } from 'node:timers/promises';
import { nowUs } from '../history.mjs';
import { between, pick } from '../random.mjs';
import { PARTITIONS } from '../sessions.mjs';
import { onNode, untilFollowing, untilReplicated } from '../stores/on-node.mjs';
import { onRedis } from './fault.mjs';
import { lostTail } from './lost-tail.mjs';

const LIMIT_MS = 90_000;

/** @type {import('./fault.mjs').Fault[]} */
export const clusterFaults = [
  { name: 'master SIGKILL', weight: 4, target: onRedis, strike: killMaster },
  { name: 'planned failover', weight: 2, target: onRedis, strike: failOver },
  { name: 'slot moved', weight: 4, target: onRedis, strike: moveSlot },
  { name: 'replica SIGKILL', weight: 2, target: onRedis, strike: killReplica },
];

/** Of the master of a partition: its replica is promoted, and it comes back as a replica. */
async function killMaster({ world, random }) {
  const { cluster, slots } = world.store;
  const hit = between(random, 0, PARTITIONS - 1);
  const slot = slots[hit];
  const owners = await Promise.all(slots.map((one) => cluster.ownerOf(one)));
  const old = owners[hit];
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
async function failOver({ world, random }) {
  const { cluster, slots } = world.store;
  const slot = pick(random, slots);
  const old = await cluster.ownerOf(slot);
  const replica = await replicaOf(cluster, old);
  await onNode(replica, (redis) => redis.cluster('FAILOVER'));
  await cluster.untilFailedOver(slot, old, LIMIT_MS);
  world.see('replica promoted');
  await untilFollowing(old);
}

/** While it is used; now and then so slowly that saves run out of patience. */
async function moveSlot({ world, random }) {
  const { cluster, slots } = world.store;
  const slot = slots[between(random, 0, PARTITIONS - 1)];
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

async function killReplica({ world, random }) {
  const { cluster, slots } = world.store;
  const replica = await replicaOf(cluster, await cluster.ownerOf(pick(random, slots)));
  await replica.kill();
  await delay(between(random, 100, 1500));
  await replica.restart();
  await untilFollowing(replica);
}

/** A master names its replica once that has told how far it is. */
async function replicaOf(cluster, master) {
  const endsAtMs = performance.now() + LIMIT_MS;
  while (performance.now() < endsAtMs) {
    const [, , replicas = []] = await onNode(master, (redis) => redis.role());
    const replica = cluster.nodes.find((node) => String(node.port) === replicas[0]?.[1]);
    if (replica) return replica;
    await delay(20);
  }
  throw new Error(`nobody follows the node on port ${master.port}`);
}
