// What happens to one Redis behind proxies.
import { readdirSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { RedisConnection } from '@cauce/protocol';
import { nowUs } from '../history.ts';
import { between } from '../random.ts';
import { storeOf } from '../stores/store.ts';
import type { World } from '../world.ts';
import { type Fault, type FaultContext, type FaultEvidence, onRedis } from './fault.ts';
import { linkFaults } from './links.ts';

const LONGEST_CUT_BYTES = 3000;

export const singleServerFaults: readonly Fault[] = [
  { name: 'Redis SIGKILL', weight: 4, target: onRedis, strike: killRedis },
  { name: 'Redis SIGSTOP', weight: 2, target: onRedis, strike: pauseRedis },
  { name: 'Redis rewrites its AOF', weight: 1, target: onRedis, strike: ({ world }) => rewriteAof(world) },
  { name: 'Redis out of memory', weight: 2, target: onRedis, strike: outOfMemory('noeviction') },
  { name: 'Redis evicts all it may', weight: 2, target: onRedis, strike: outOfMemory('volatile-lru') },
  ...linkFaults('redis'),
];

/** What Redis itself lost is not restored, so these come only when they are asked for. */
export const lossyFaults: readonly Fault[] = [
  { name: 'Redis loses its tail', weight: 8, target: onRedis, strike: killRedisAndCutTail },
];

/**
 * Nobody reaches the new server before its versions were read: they tell whether the append-only file had
 * everything that was acknowledged.
 */
async function killRedis(
  { world, random }: Pick<FaultContext, 'world' | 'random'>,
  whileDown?: () => void,
): Promise<FaultEvidence> {
  const { redis, links: byFleet } = storeOf('single', world);
  const links = Object.values(byFleet);
  await untilWritten(world.admin);
  for (const link of links) link.refuse();
  await redis.kill('SIGKILL');
  // Bots may still be reading answers it gave.
  await delay(between(random, 20, 300));
  const killedUs = nowUs();
  for (const link of links) link.cutConnections();
  whileDown?.();
  await redis.restart();
  const [floors, heldVersions] = await Promise.all([world.versionFloors(), world.heldVersions()]);
  for (const link of links) await link.accept();
  return { redisRestart: { killedUs, floors, heldVersions, isCut: whileDown !== undefined } };
}

/** A power failure: what the operating system had not written to the disk is gone. Redis loads the rest. */
function killRedisAndCutTail({ world, random }: FaultContext): Promise<FaultEvidence> {
  return killRedis({ world, random }, () => {
    const folder = join(storeOf('single', world).redis.dataDir, 'appendonlydir');
    const sequenceOf = (name: string) => Number(/\.(\d+)\.incr\.aof$/.exec(name)?.[1] ?? 0);
    const [newest] = readdirSync(folder).sort((a, b) => sequenceOf(b) - sequenceOf(a));
    if (newest === undefined) throw new Error(`Redis has no append-only file in ${folder}`);
    const file = join(folder, newest);
    const { size } = statSync(file);
    const cutBytes = Math.min(size, between(random, 1, LONGEST_CUT_BYTES));
    truncateSync(file, size - cutBytes);
    world.see("bytes cut off Redis' file", cutBytes);
  });
}

/**
 * With `everysec` Redis answers before it has written to its file while an fsync is under way, so a SIGKILL at that
 * moment loses what it acknowledged. That is Redis' promise, not Cauce's.
 */
async function untilWritten(admin: RedisConnection): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const info = await admin.info('persistence');
    if (/aof_pending_bio_fsync:0/.test(info) && /aof_buffer_length:0/.test(info)) return;
    await delay(5);
  }
}

async function pauseRedis({ world, random }: FaultContext): Promise<void> {
  const { redis } = storeOf('single', world);
  redis.pause();
  await delay(between(random, 200, 1800));
  redis.resume();
}

async function rewriteAof(world: World): Promise<void> {
  await world.admin.bgrewriteaof().catch(() => {});
}

function outOfMemory(policy: 'noeviction' | 'volatile-lru') {
  return async ({ world, random }: FaultContext): Promise<void> => {
    const { admin } = world;
    await admin.config('SET', 'maxmemory-policy', policy);
    await admin.config('SET', 'maxmemory', '1');
    const endsAtMs = Date.now() + between(random, 500, 2500);
    while (Date.now() < endsAtMs) {
      if ((await world.countDirty()) === 0) world.see('drained while full');
      await delay(50);
    }
    await admin.config('SET', 'maxmemory', '0');
    await admin.config('SET', 'maxmemory-policy', 'noeviction');
  };
}
