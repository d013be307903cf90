import { findFreePort } from './free-port.ts';
import { provideRedis } from './install-servers.ts';
import { untilTrue } from './poll-until.ts';
import { redisCommand } from './redis-command.ts';
import type { RedisServer } from './redis-process.ts';
import { type RedisServerOptions, startRedis } from './redis-server.ts';
import { startTogether, stopAll } from './start-together.ts';

/** How to start a cluster. Every field may be left out. */
export interface RedisClusterOptions extends Omit<RedisServerOptions, 'port' | 'dataDir'> {
  /** Of each primary. Default 0: a primary that is gone leaves its slots unserved. */
  readonly replicas?: 0 | 1;
  /** A node that does not answer for this long is given up. Default 1,000. */
  readonly nodeTimeoutMs?: number;
}

export interface MoveSlotOptions {
  /** Keys moved by one MIGRATE. Default 10. */
  readonly keysAtATime?: number;
  /** Awaited before each chunk with how many keys went over so far: a test may do things in between. */
  readonly onChunk?: (movedKeys: number) => Promise<void> | void;
}

export interface MovedSlot {
  readonly keys: number;
  readonly from: RedisServer;
  readonly to: RedisServer;
}

/** Three primaries that share the 16,384 slots. */
export interface RedisCluster extends AsyncDisposable {
  /** `redis+cluster://host:port,host:port,host:port` */
  readonly url: string;
  /** The three primaries of the start, then their replicas in the same order. */
  readonly nodes: readonly RedisServer[];
  /** The primary that serves the slot, once all running nodes agree on it. */
  ownerOf(slot: number): Promise<RedisServer>;
  /** The slot a key lies in. */
  slotOf(key: string): Promise<number>;
  /**
   * Moves a slot with everything in it to another primary, while clients go on.
   *
   * @throws ServerError `COMMAND_FAILED`; the slot is left half moved then
   */
  moveSlot(slot: number, to: RedisServer, options?: MoveSlotOptions): Promise<MovedSlot>;
  /**
   * Waits until a node other than `from` serves its slot and the cluster is whole again.
   *
   * @throws ServerError `START_FAILED` after `timeoutMs` (default 15,000)
   */
  untilFailedOver(slot: number, from: RedisServer, timeoutMs?: number): Promise<RedisServer>;
  /** Ends all of it and removes every file. */
  stop(): Promise<void>;
}

const PRIMARIES = 3;
const SLOTS = 16_384;
const READY_TIMEOUT_MS = 15_000;
const MIGRATE_TIMEOUT_MS = 5_000;

/**
 * Starts a cluster and returns when every node says that all slots are served. Everything ends with this process at
 * the latest.
 *
 * @throws ServerError as `startRedis` does
 */
export async function startRedisCluster(options: RedisClusterOptions = {}): Promise<RedisCluster> {
  const { replicas = 0, nodeTimeoutMs = 1_000, extraArgs = [] } = options;
  const binaries = options.binaries ?? (await provideRedis(options));
  const startNode = async (): Promise<ClusterNode> => {
    // By default it is the port + 10,000, which reaches into the range of outgoing connections.
    const busPort = await findFreePort();
    const server = await startRedis({
      ...options,
      binaries,
      extraArgs: [
        ...['--cluster-enabled', 'yes', '--cluster-port', String(busPort)],
        ...['--cluster-node-timeout', String(nodeTimeoutMs), '--repl-diskless-sync-delay', '0'],
        ...extraArgs,
      ],
    });
    return { server, busPort, stop: () => server.stop() };
  };
  const nodes = await startTogether(Array.from({ length: PRIMARIES * (1 + replicas) }, () => startNode));
  const servers = nodes.map(({ server }) => server);
  const stop = (): Promise<void> => stopAll(servers);
  try {
    await introduce(nodes);
    await untilWhole(servers);
    for (const [i, replica] of servers.slice(PRIMARIES).entries()) {
      await follow(replica, servers[i] as RedisServer);
    }
    await untilWhole(servers);
    return clusterOf(servers, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

interface ClusterNode {
  readonly server: RedisServer;
  readonly busPort: number;
  stop(): Promise<void>;
}

/** Shares the slots out and makes the nodes known to each other. */
async function introduce(nodes: readonly ClusterNode[]): Promise<void> {
  const share = Math.ceil(SLOTS / PRIMARIES);
  const [first] = nodes;
  for (const [i, { server, busPort }] of nodes.entries()) {
    // Without epochs of their own the first vote has to wait until they have agreed on some.
    await redisCommand(server.port, ['CLUSTER', 'SET-CONFIG-EPOCH', i + 1]);
    if (i < PRIMARIES) {
      const range = [i * share, Math.min(SLOTS, (i + 1) * share) - 1];
      await redisCommand(server.port, ['CLUSTER', 'ADDSLOTSRANGE', ...range]);
    }
    if (first && i > 0)
      await redisCommand(first.server.port, ['CLUSTER', 'MEET', '127.0.0.1', server.port, busPort]);
  }
}

async function follow(replica: RedisServer, primary: RedisServer): Promise<void> {
  await redisCommand(replica.port, ['CLUSTER', 'REPLICATE', await idOf(primary)]);
  await untilTrue('A replica did not follow', READY_TIMEOUT_MS, async () => {
    const role = await redisCommand(replica.port, ['ROLE']);
    return Array.isArray(role) && role[3] === 'connected';
  });
}

/** Every node sees every other, and all slots served. */
async function untilWhole(servers: readonly RedisServer[], timeoutMs = READY_TIMEOUT_MS): Promise<void> {
  await untilTrue('The cluster did not become whole', timeoutMs, async () => {
    const infos = await Promise.all(
      servers
        .filter(({ isRunning }) => isRunning)
        .map(({ port }) => redisCommand(port, ['CLUSTER', 'INFO']).catch(() => '')),
    );
    return infos.every(
      (info) =>
        String(info).includes('cluster_state:ok') &&
        String(info).includes(`cluster_known_nodes:${servers.length}`),
    );
  });
}

function clusterOf(servers: readonly RedisServer[], stop: () => Promise<void>): RedisCluster {
  const running = (): readonly RedisServer[] => servers.filter(({ isRunning }) => isRunning);
  const ownerSeenBy = async (slot: number, { port }: RedisServer): Promise<RedisServer | undefined> => {
    const reply = await redisCommand(port, ['CLUSTER', 'SLOTS']);
    const ranges = reply as readonly (readonly [number, number, readonly [string, number]])[];
    const owner = ranges.find(([start, end]) => start <= slot && slot <= end)?.[2][1];
    return servers.find((server) => server.port === owner);
  };
  /** Undefined while they disagree. */
  const agreedOwner = async (slot: number): Promise<RedisServer | undefined> => {
    const [owner, ...others] = await Promise.all(running().map((server) => ownerSeenBy(slot, server)));
    return others.every((other) => other === owner) ? owner : undefined;
  };
  const ownerOf = async (slot: number): Promise<RedisServer> => {
    let owner: RedisServer | undefined;
    await untilTrue(`The nodes did not agree on the owner of slot ${slot}`, READY_TIMEOUT_MS, async () => {
      owner = await agreedOwner(slot);
      return owner !== undefined;
    });
    return owner as RedisServer;
  };
  return {
    url: `redis+cluster://${servers.map(({ port }) => `127.0.0.1:${port}`).join(',')}`,
    nodes: servers,
    ownerOf,
    async slotOf(key) {
      const [any] = running();
      return Number(await redisCommand(any?.port ?? 0, ['CLUSTER', 'KEYSLOT', key]));
    },
    async moveSlot(slot, to, { keysAtATime = 10, onChunk } = {}) {
      const from = await ownerOf(slot);
      const [fromId, toId] = [await idOf(from), await idOf(to)];
      await redisCommand(to.port, ['CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId]);
      await redisCommand(from.port, ['CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId]);
      let moved = 0;
      for (;;) {
        await onChunk?.(moved);
        const keys = await redisCommand(from.port, ['CLUSTER', 'GETKEYSINSLOT', slot, keysAtATime]);
        if (!Array.isArray(keys) || keys.length === 0) break;
        const target = ['127.0.0.1', to.port, '', 0, MIGRATE_TIMEOUT_MS];
        await redisCommand(from.port, ['MIGRATE', ...target, 'KEYS', ...(keys as string[])], {
          timeoutMs: 2 * MIGRATE_TIMEOUT_MS,
        });
        moved += keys.length;
      }
      // The new owner first: it must not send clients back to one that sends them away.
      for (const { port } of [to, from]) {
        await redisCommand(port, ['CLUSTER', 'SETSLOT', slot, 'NODE', toId]);
      }
      return { keys: moved, from, to };
    },
    async untilFailedOver(slot, from, timeoutMs = 15_000) {
      let next: RedisServer | undefined;
      await untilTrue('No replica was promoted', timeoutMs, async () => {
        next = await agreedOwner(slot).catch(() => undefined);
        return next !== undefined && next !== from;
      });
      await untilWhole(servers, timeoutMs);
      return next as RedisServer;
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

async function idOf({ port }: RedisServer): Promise<string> {
  return String(await redisCommand(port, ['CLUSTER', 'MYID']));
}
