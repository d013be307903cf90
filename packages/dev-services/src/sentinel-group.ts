import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startOnFreePort } from './free-port.ts';
import { provideRedis } from './install-servers.ts';
import { untilTrue } from './poll-until.ts';
import type { PrivateServer } from './private-server.ts';
import { fieldsOf, type RedisReply, redisCommand } from './redis-command.ts';
import { type RedisServer, startRedisProcess } from './redis-process.ts';
import { type RedisServerOptions, startRedis } from './redis-server.ts';
import type { ServerBinaries } from './server-binaries.ts';
import { ServerError } from './server-error.ts';
import { startTogether, stopAll } from './start-together.ts';

/** How to start a group. Every field may be left out. */
export interface SentinelGroupOptions extends Omit<RedisServerOptions, 'port' | 'dataDir'> {
  /** Default 1. */
  readonly replicas?: number;
  /** A primary that does not answer for this long is given up. Default 1,000. */
  readonly downAfterMs?: number;
}

/** A primary, its replicas, and three sentinels that promote a replica when the primary is gone. */
export interface SentinelGroup extends AsyncDisposable {
  /** `redis+sentinel://host:port,host:port,host:port/<master name>` */
  readonly url: string;
  readonly masterName: string;
  /** The first was the primary at the start. */
  readonly nodes: readonly RedisServer[];
  readonly sentinels: readonly PrivateServer[];
  /** The primary, as the sentinels name it. @throws ServerError `COMMAND_FAILED` when no sentinel answers */
  primary(): Promise<RedisServer>;
  /**
   * Waits until every running sentinel names another node than `from`, and that node is a primary.
   *
   * @throws ServerError `START_FAILED` after `timeoutMs` (default 15,000)
   */
  untilFailedOver(from: RedisServer, timeoutMs?: number): Promise<RedisServer>;
  /**
   * Waits until the node follows the primary and has its data, and every running sentinel finds both well. A former
   * primary that was restarted is made a replica by the sentinels.
   *
   * @throws ServerError `START_FAILED` after `timeoutMs` (default 60,000)
   */
  untilReplica(node: RedisServer, timeoutMs?: number): Promise<void>;
  /** Ends all of it and removes every file. */
  stop(): Promise<void>;
}

const MASTER_NAME = 'cauce';
const SENTINELS = 3;
const QUORUM = 2;
/** When sentinels split their votes, they vote again after twice this. */
const FAILOVER_TIMEOUT_MS = 2_000;
/**
 * How often sentinels look at the nodes and tell each other: faster than in earnest. Not faster still: a sentinel that
 * has not heard of a promotion for four PUBLISH-PERIODs undoes it. And not PING-PERIOD: a replica whose INFO is older
 * than five of them is not promoted, and while the primary is down INFO is asked once a second.
 */
const HASTE = ['INFO-PERIOD', 200, 'PUBLISH-PERIOD', 250, 'ASK-PERIOD', 200];

/**
 * Starts a group and returns when the sentinels know each other and the replicas have the primary's data. A failover
 * then takes one to three seconds. Everything ends with this process at the latest.
 *
 * @throws ServerError as `startRedis` does
 */
export async function startSentinelGroup(options: SentinelGroupOptions = {}): Promise<SentinelGroup> {
  const { replicas = 1, downAfterMs = 1_000, extraArgs = [] } = options;
  const binaries = options.binaries ?? (await provideRedis(options));
  const startNode = (...args: string[]): Promise<RedisServer> =>
    startRedis({
      ...options,
      binaries,
      // A replica that comes back gets its data at once, not after waiting for others to join.
      extraArgs: ['--repl-diskless-sync-delay', '0', ...args, ...extraArgs],
    });
  const first = await startNode();
  const others: (RedisServer | PrivateServer)[] = [];
  const stop = (): Promise<void> => stopAll([...others, first]);
  try {
    const replicaOfFirst = (): Promise<RedisServer> =>
      startNode('--replicaof', '127.0.0.1', String(first.port));
    const nodes = [first, ...(await startTogether(Array.from({ length: replicas }, () => replicaOfFirst)))];
    others.push(...nodes.slice(1));
    await untilTrue('The replicas did not follow', 15_000, async () =>
      (await Promise.all(nodes.slice(1).map((node) => isFollowing(node, first)))).every(Boolean),
    );
    const startOne = (): Promise<PrivateServer> => startSentinel(binaries, first.port, downAfterMs);
    const sentinels = await startTogether(Array.from({ length: SENTINELS }, () => startOne));
    others.push(...sentinels);
    await untilTrue('The sentinels did not find each other', 15_000, async () =>
      (await Promise.all(sentinels.map((sentinel) => knowsGroup(sentinel, nodes)))).every(Boolean),
    );
    return groupOf(nodes, sentinels, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

function groupOf(
  nodes: readonly RedisServer[],
  sentinels: readonly PrivateServer[],
  stop: () => Promise<void>,
): SentinelGroup {
  const namedBy = async (sentinel: PrivateServer): Promise<RedisServer | undefined> => {
    const address = await redisCommand(sentinel.port, ['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', MASTER_NAME]);
    const port = Array.isArray(address) ? Number(address[1]) : 0;
    return nodes.find((node) => node.port === port);
  };
  const running = (): readonly PrivateServer[] => sentinels.filter(({ isRunning }) => isRunning);
  const primary = async (): Promise<RedisServer> => {
    const named = await Promise.any(running().map(namedBy)).catch(() => undefined);
    if (named) return named;
    throw new ServerError('COMMAND_FAILED', 'No sentinel names a primary of this group.');
  };
  return {
    url: `redis+sentinel://${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/${MASTER_NAME}`,
    masterName: MASTER_NAME,
    nodes,
    sentinels,
    primary,
    async untilFailedOver(from, timeoutMs = 15_000) {
      let next: RedisServer | undefined;
      await untilTrue('The sentinels did not promote a replica', timeoutMs, async () => {
        const named = await Promise.all(running().map(namedBy));
        next = named[0];
        if (!next || next === from || named.some((node) => node !== next)) return false;
        return (await roleOf(next))[0] === 'master';
      });
      return next as RedisServer;
    },
    // Sentinels ask each node every ten seconds, and wait another eight before they reconfigure one.
    untilReplica: (node, timeoutMs = 60_000) =>
      untilTrue('The node did not become a replica', timeoutMs, async () => {
        const current = await primary();
        const isSeenWell = running().map((sentinel) => findsWell(sentinel, current, node));
        return (await isFollowing(node, current)) && (await Promise.all(isSeenWell)).every(Boolean);
      }),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

async function startSentinel(
  binaries: ServerBinaries,
  primaryPort: number,
  downAfterMs: number,
): Promise<PrivateServer> {
  const sentinel = await startOnFreePort(undefined, (port) =>
    startRedisProcess(port, binaries, {
      argsIn: ({ folder }) => {
        // A file, because a sentinel writes what it learns into it.
        const configFile = join(folder, 'sentinel.conf');
        const lines = [
          `port ${port}`,
          'bind 127.0.0.1',
          `dir ${folder}`,
          `sentinel monitor ${MASTER_NAME} 127.0.0.1 ${primaryPort} ${QUORUM}`,
          `sentinel down-after-milliseconds ${MASTER_NAME} ${downAfterMs}`,
          `sentinel failover-timeout ${MASTER_NAME} ${FAILOVER_TIMEOUT_MS}`,
        ];
        writeFileSync(configFile, `${lines.join('\n')}\n`);
        return [configFile, '--sentinel'];
      },
    }),
  );
  await redisCommand(sentinel.port, ['SENTINEL', 'DEBUG', ...HASTE]);
  return sentinel;
}

/** Whether the sentinel sees the two others and finds all nodes well. */
async function knowsGroup(sentinel: PrivateServer, nodes: readonly RedisServer[]): Promise<boolean> {
  const [primary, ...replicas] = nodes;
  const known = fieldsOf(await redisCommand(sentinel.port, ['SENTINEL', 'MASTER', MASTER_NAME]));
  if (!primary || Number(known.get('num-other-sentinels')) !== SENTINELS - 1) return false;
  const isWell = replicas.map((replica) => findsWell(sentinel, primary, replica));
  return (await Promise.all(isWell)).every(Boolean);
}

/** Whether the sentinel holds the two for primary and replica, and has no doubt about either. */
async function findsWell(
  sentinel: PrivateServer,
  primary: RedisServer,
  replica: RedisServer,
): Promise<boolean> {
  const master = fieldsOf(await redisCommand(sentinel.port, ['SENTINEL', 'MASTER', MASTER_NAME]));
  const replicas = await redisCommand(sentinel.port, ['SENTINEL', 'REPLICAS', MASTER_NAME]);
  const known = (Array.isArray(replicas) ? (replicas as readonly RedisReply[]) : []).map(fieldsOf);
  const seen = known.find((fields) => fields.get('port') === String(replica.port));
  return (
    master.get('port') === String(primary.port) &&
    master.get('flags') === 'master' &&
    seen?.get('flags') === 'slave' &&
    seen.get('master-port') === String(primary.port)
  );
}

async function isFollowing(node: RedisServer, primary: RedisServer): Promise<boolean> {
  const [role, , port, state] = await roleOf(node);
  return role === 'slave' && Number(port) === primary.port && state === 'connected';
}

/** What ROLE answers; empty while the node does not. */
async function roleOf(node: RedisServer): Promise<readonly unknown[]> {
  const reply = await redisCommand(node.port, ['ROLE']).catch(() => null);
  return Array.isArray(reply) ? reply : [];
}
