// One command or a few at one node, whatever role it has.
import { setTimeout as delay } from 'node:timers/promises';
import type { PrivateServer } from '@cauce/dev-services';
import { Redis } from 'ioredis';
import { nowUs } from '../history.ts';
import { KEY_PREFIX } from '../sessions.ts';

const ANSWER_TIMEOUT_MS = 2000;
const POLL_MS = 5;
const MOST_TRIES = 10;

type Node = Pick<PrivateServer, 'url' | 'port'>;

export async function onNode<Result>(
  { url }: Pick<Node, 'url'>,
  ask: (redis: Redis) => Promise<Result>,
): Promise<Result> {
  const redis = new Redis(url, { retryStrategy: () => null, commandTimeout: ANSWER_TIMEOUT_MS });
  redis.on('error', () => {});
  try {
    return await ask(redis);
  } finally {
    redis.disconnect();
  }
}

/** @throws Error when there is none */
export function otherThan<Server extends Node>(one: Server, nodes: readonly Server[]): Server {
  const other = nodes.find((node) => node !== one);
  if (!other) throw new Error(`there is no node beside the one on port ${one.port}`);
  return other;
}

/**
 * Until a replica has what was written to the node so far. WAIT waits for what its own connection wrote, so that writes.
 *
 * @param partition one whose slot the node serves
 * @returns since when writes may be missing there
 * @throws Error when none follows
 */
export async function untilReplicated(node: Node, partition: number): Promise<number> {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const sinceUs = nowUs();
    const replicas = await onNode(node, async (redis) => {
      await redis.set(`${KEY_PREFIX}:{${partition}}:harness`, '', 'PX', ANSWER_TIMEOUT_MS);
      return redis.wait(1, ANSWER_TIMEOUT_MS / 2);
    });
    if (replicas > 0) return sinceUs;
  }
  throw new Error(`no replica has what was written to the node on port ${node.port}`);
}

/** @throws Error after `timeoutMs` */
export async function untilRole(node: Node, role: 'master' | 'slave', timeoutMs = 20_000): Promise<void> {
  const endsAtMs = performance.now() + timeoutMs;
  while ((await roleOf(node))[0] !== role) {
    if (performance.now() > endsAtMs) throw new Error(`the node on port ${node.port} is still not ${role}`);
    await delay(POLL_MS);
  }
}

/** Until it has its primary's data. @throws Error after `timeoutMs` */
export async function untilFollowing(node: Node, timeoutMs = 20_000): Promise<void> {
  const endsAtMs = performance.now() + timeoutMs;
  for (;;) {
    const [role, , , state] = await roleOf(node);
    if (role === 'slave' && state === 'connected') return;
    if (performance.now() > endsAtMs) throw new Error(`the node on port ${node.port} follows nobody`);
    await delay(POLL_MS);
  }
}

function roleOf(node: Node): Promise<unknown[]> {
  return onNode<unknown[]>(node, (redis) => redis.role()).catch(() => []);
}
