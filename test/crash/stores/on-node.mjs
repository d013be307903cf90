// One command or a few at one node, whatever role it has.
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { nowUs } from '../history.mjs';
import { KEY_PREFIX } from '../sessions.mjs';

const ANSWER_TIMEOUT_MS = 2000;
const POLL_MS = 5;
const MOST_TRIES = 10;

/** @template Result @param {{ url: string }} node @param {(redis: Redis) => Promise<Result>} ask */
export async function onNode({ url }, ask) {
  const redis = new Redis(url, { retryStrategy: () => null, commandTimeout: ANSWER_TIMEOUT_MS });
  redis.on('error', () => {});
  try {
    return await ask(redis);
  } finally {
    redis.disconnect();
  }
}

/**
 * Until a replica has what the node was told so far. WAIT waits for what its own connection wrote, so that writes.
 *
 * @param {number} partition one whose slot the node serves
 * @returns {Promise<number>} since when writes may be missing there
 * @throws Error when none follows
 */
export async function untilReplicated(node, partition) {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const sinceUs = nowUs();
    const replicas = await onNode(node, async (redis) => {
      await redis.set(`${KEY_PREFIX}:{${partition}}:harness`, '', 'PX', ANSWER_TIMEOUT_MS);
      return redis.wait(1, ANSWER_TIMEOUT_MS / 2);
    });
    if (replicas > 0) return sinceUs;
  }
  throw new Error(`no replica has what the node on port ${node.port} was told`);
}

/** @param {'master' | 'slave'} role @throws Error after `timeoutMs` */
export async function untilRole(node, role, timeoutMs = 20_000) {
  const endsAtMs = performance.now() + timeoutMs;
  while ((await roleOf(node))[0] !== role) {
    if (performance.now() > endsAtMs) throw new Error(`the node on port ${node.port} is still not ${role}`);
    await delay(POLL_MS);
  }
}

/** Until it has its primary's data. @throws Error after `timeoutMs` */
export async function untilFollowing(node, timeoutMs = 20_000) {
  const endsAtMs = performance.now() + timeoutMs;
  for (;;) {
    const [role, , , state] = await roleOf(node);
    if (role === 'slave' && state === 'connected') return;
    if (performance.now() > endsAtMs) throw new Error(`the node on port ${node.port} follows nobody`);
    await delay(POLL_MS);
  }
}

function roleOf(node) {
  return onNode(node, (redis) => redis.role()).catch(() => []);
}
