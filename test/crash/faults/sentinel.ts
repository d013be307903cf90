// What happens to a primary, its replica, and the sentinels that watch them.
import { setTimeout as delay } from 'node:timers/promises';
import type { RedisServer, SentinelGroup } from '@cauce/dev-services';
import type { RedisRestart } from '@cauce/history';
import { textsIn } from '@cauce/protocol';
import { nowUs } from '../history.ts';
import { between, pick } from '../random.ts';
import { onNode, otherThan, untilReplicated, untilRole } from '../stores/on-node.ts';
import { storeOf } from '../stores/store.ts';
import { type Fault, type FaultContext, type FaultEvidence, onRedis } from './fault.ts';
import { lostTail } from './lost-tail.ts';

/** A sentinel whose own clock seems to jump, because the machine is busy, does nothing for 30 s. */
const LIMIT_MS = 90_000;
const FAILOVER_MS = 5000;
const MOST_TRIES = 10;
/** As the group's sentinels were set; a restart forgets it. */
const HASTE = ['INFO-PERIOD', 'PUBLISH-PERIOD', 'ASK-PERIOD'];

export const sentinelFaults: readonly Fault[] = [
  { name: 'primary SIGKILL', weight: 3, target: onRedis, strike: killPrimary },
  { name: 'primary SIGSTOP past its failover', weight: 2, target: onRedis, strike: pausePrimary },
  { name: 'primary killed with its replica behind', weight: 3, target: onRedis, strike: killPrimaryAhead },
  { name: 'planned failover', weight: 2, target: onRedis, strike: failOver },
  { name: 'replica SIGKILL', weight: 2, target: onRedis, strike: killReplica },
  { name: 'sentinel SIGKILL', weight: 1, target: onRedis, strike: killSentinel },
];

async function killPrimary({ world, random }: FaultContext): Promise<FaultEvidence> {
  const { group } = storeOf('sentinel', world);
  const old = await group.primary();
  const lostSinceUs = await untilReplicated(old, 0);
  return { redisRestart: await killAndPromote({ world, random }, old, lostSinceUs) };
}

/** The replica keeps what it has and gets nothing more: the sentinels mend that only while its primary lives. */
async function killPrimaryAhead({ world, random }: FaultContext): Promise<FaultEvidence> {
  const { group } = storeOf('sentinel', world);
  const old = await group.primary();
  const replica = otherThan(old, group.nodes);
  const lostSinceUs = await untilReplicated(old, 0);
  await onNode(replica, (redis) => redis.replicaof('127.0.0.1', 1));
  await delay(between(random, 300, 800));
  return { redisRestart: await killAndPromote({ world, random }, old, lostSinceUs) };
}

async function killAndPromote(
  { world, random }: Pick<FaultContext, 'world' | 'random'>,
  old: RedisServer,
  lostSinceUs: number,
): Promise<RedisRestart> {
  const { group } = storeOf('sentinel', world);
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
 * The old primary wakes when there is another one. It answers the clients that did not leave it until the sentinels
 * demote it, and loses what they saved.
 */
async function pausePrimary({ world, random }: FaultContext): Promise<FaultEvidence> {
  const { group } = storeOf('sentinel', world);
  const old = await group.primary();
  const lostSinceUs = await untilReplicated(old, 0);
  old.pause();
  let promotedUs: number;
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

async function failOver({ world }: FaultContext): Promise<FaultEvidence> {
  const { group } = storeOf('sentinel', world);
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
async function demote(old: RedisServer, { sentinels, masterName }: SentinelGroup): Promise<void> {
  const [asked] = sentinels;
  if (!asked) throw new Error('the group has no sentinel');
  for (let tries = 1; ; tries++) {
    try {
      await onNode(asked, (sentinel) => sentinel.call('SENTINEL', 'FAILOVER', masterName));
      return await untilRole(old, 'slave', FAILOVER_MS);
    } catch (error) {
      if (tries === MOST_TRIES) throw error;
      await delay(200);
    }
  }
}

async function killReplica({ world, random }: FaultContext): Promise<void> {
  const { group } = storeOf('sentinel', world);
  const primary = await group.primary();
  const replica = otherThan(primary, group.nodes);
  await replica.kill();
  await delay(between(random, 100, 1500));
  await replica.restart();
  await group.untilReplica(replica, LIMIT_MS);
}

async function killSentinel({ world, random }: FaultContext): Promise<void> {
  const { group } = storeOf('sentinel', world);
  const sentinel = pick(random, group.sentinels);
  const other = otherThan(sentinel, group.sentinels);
  const settings = textsIn('debug', await onNode(other, (redis) => redis.call('SENTINEL', 'DEBUG')));
  const haste = HASTE.flatMap((name) => [name, settings[settings.indexOf(name) + 1] ?? '']);
  await sentinel.kill();
  await delay(between(random, 100, 1500));
  await sentinel.restart();
  await onNode(sentinel, (redis) => redis.call('SENTINEL', 'DEBUG', ...haste));
  const primary = await group.primary();
  await group.untilReplica(otherThan(primary, group.nodes), LIMIT_MS);
}
