// What happens to a primary, its replica, and the sentinels that watch them.
import { setTimeout as delay } from 'node:timers/promises';
import { nowUs } from '../history.mjs';
import { between, pick } from '../random.mjs';
import { onNode, untilReplicated, untilRole } from '../stores/on-node.mjs';
import { onRedis } from './fault.mjs';
import { lostTail } from './lost-tail.mjs';

/** A sentinel whose own clock seems to jump, because the machine is busy, does nothing for 30 s. */
const LIMIT_MS = 90_000;
const FAILOVER_MS = 5000;
const MOST_TRIES = 10;
/** As the group's sentinels were set; a restart forgets it. */
const HASTE = ['INFO-PERIOD', 'PUBLISH-PERIOD', 'ASK-PERIOD'];

/** @type {import('./fault.mjs').Fault[]} */
export const sentinelFaults = [
  { name: 'primary SIGKILL', weight: 3, target: onRedis, strike: killPrimary },
  { name: 'primary SIGSTOP past its failover', weight: 2, target: onRedis, strike: pausePrimary },
  { name: 'primary killed with its replica behind', weight: 3, target: onRedis, strike: killPrimaryAhead },
  { name: 'planned failover', weight: 2, target: onRedis, strike: failOver },
  { name: 'replica SIGKILL', weight: 2, target: onRedis, strike: killReplica },
  { name: 'sentinel SIGKILL', weight: 1, target: onRedis, strike: killSentinel },
];

async function killPrimary({ world, random }) {
  const { group } = world.store;
  const old = await group.primary();
  const lostSinceUs = await untilReplicated(old, 0);
  return { redisRestart: await killAndPromote({ world, random }, old, lostSinceUs) };
}

/** The replica keeps what it has and gets nothing more: the sentinels mend that only while its primary lives. */
async function killPrimaryAhead({ world, random }) {
  const { group } = world.store;
  const old = await group.primary();
  const replica = group.nodes.find((node) => node !== old);
  const lostSinceUs = await untilReplicated(old, 0);
  await onNode(replica, (redis) => redis.replicaof('127.0.0.1', 1));
  await delay(between(random, 300, 800));
  return { redisRestart: await killAndPromote({ world, random }, old, lostSinceUs) };
}

async function killAndPromote({ world, random }, old, lostSinceUs) {
  const { group } = world.store;
  await old.kill();
  const killedUs = nowUs();
  await group.untilFailedOver(old, LIMIT_MS);
  world.see('replica promoted');
  await delay(between(random, 0, 500));
  await old.restart();
  await group.untilReplica(old, LIMIT_MS);
  return lostTail(lostSinceUs, killedUs);
}

/**
 * The old primary wakes when there is another one. Whoever did not leave it is answered by it until the sentinels
 * demote it, and loses what it was told.
 */
async function pausePrimary({ world, random }) {
  const { group } = world.store;
  const old = await group.primary();
  const lostSinceUs = await untilReplicated(old, 0);
  old.pause();
  let promotedUs;
  try {
    await group.untilFailedOver(old, LIMIT_MS);
    promotedUs = nowUs();
    world.see('replica promoted');
    await delay(between(random, 0, 1500));
  } finally {
    old.resume();
  }
  const awakeSinceUs = nowUs();
  await untilRole(old, 'slave');
  const demotedUs = nowUs();
  await group.untilReplica(old, LIMIT_MS);
  return { redisRestart: [lostTail(lostSinceUs, promotedUs), lostTail(awakeSinceUs, demotedUs)] };
}

async function failOver({ world }) {
  const { group } = world.store;
  const old = await group.primary();
  const lostSinceUs = await untilReplicated(old, 0);
  await demote(old, group);
  const demotedUs = nowUs();
  await group.untilFailedOver(old, LIMIT_MS);
  world.see('replica promoted');
  await group.untilReplica(old, LIMIT_MS);
  return { redisRestart: lostTail(lostSinceUs, demotedUs) };
}

/** Refused while the sentinel has not looked at the replica for a while; given up when it takes too long. */
async function demote(old, { sentinels, masterName }) {
  for (let tries = 1; ; tries++) {
    try {
      await onNode(sentinels[0], (sentinel) => sentinel.call('SENTINEL', 'FAILOVER', masterName));
      return await untilRole(old, 'slave', FAILOVER_MS);
    } catch (error) {
      if (tries === MOST_TRIES) throw error;
      await delay(200);
    }
  }
}

async function killReplica({ world, random }) {
  const { group } = world.store;
  const primary = await group.primary();
  const replica = group.nodes.find((node) => node !== primary);
  await replica.kill();
  await delay(between(random, 100, 1500));
  await replica.restart();
  await group.untilReplica(replica, LIMIT_MS);
}

async function killSentinel({ world, random }) {
  const { group } = world.store;
  const sentinel = pick(random, group.sentinels);
  const other = group.sentinels.find((one) => one !== sentinel);
  const settings = await onNode(other, (redis) => redis.call('SENTINEL', 'DEBUG'));
  const haste = HASTE.flatMap((name) => [name, settings[settings.indexOf(name) + 1]]);
  await sentinel.kill();
  await delay(between(random, 100, 1500));
  await sentinel.restart();
  await onNode(sentinel, (redis) => redis.call('SENTINEL', 'DEBUG', ...haste));
  const primary = await group.primary();
  await group.untilReplica(
    group.nodes.find((node) => node !== primary),
    LIMIT_MS,
  );
}
