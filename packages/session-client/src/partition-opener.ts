import {
  assessPrimaries,
  confirmDatabase,
  type Epoch,
  isCluster,
  isNamedPrimary,
  type Keyspace,
  LayoutMismatchError,
  type OpenRedis,
  PARTITION_HASH,
  PROTOCOL_VERSION,
  protocolProblem,
  RedisError,
  RedisUnsafeError,
  type Scripts,
  slotOwner,
  type TableIdentity,
} from '@cauce/protocol';

/**
 * Stands before every call: sessions go only to a Redis that keeps them and whose data has our layout, and a Redis
 * that was restarted or promoted has begun a new epoch before anybody reads from it or saves to it. A former primary
 * that answers a new connection is not used.
 *
 *              safe server            same layout, epoch known
 *   unchecked ────────────► checked ───────────────────────────► partition open
 *       ▲                                   ▲                          │
 *       └── the server became unsafe        └── a connection was lost ─┘
 *                                              or another node of a cluster answers
 *
 * Each partition is opened by the first call that needs it, so that one whose server is away keeps nobody from the
 * others.
 */
export interface PartitionOpener {
  /**
   * Costs nothing while it is open; every 30 s a call asks for the epochs it needs, and has the servers checked in the
   * background. The very first use waits for the connection, later ones fail at once without it.
   *
   * @param partitions those the call needs
   * @throws RedisError
   * @throws RedisUnsafeError
   * @throws LayoutMismatchError
   * @throws InvalidOptionError when the server refuses the database
   */
  open(partitions: readonly number[]): Promise<void>;
  /** Whether {@link PartitionOpener.open} would only have let the call pass. */
  isOpen(partition: number): boolean;
  /** Of a partition that is open; '' of another. */
  epochOf(partition: number): Epoch;
  /** The table the sessions are synced to, as the partition that was opened last knows it; undefined: none is known. */
  readonly syncedTo: TableIdentity | undefined;
  /** Somebody read it: another epoch than the known one makes the partition be opened again. */
  sawEpoch(partition: number, epoch: Epoch): void;
  /** Asks Redis. @throws RedisError, LayoutMismatchError */
  refreshEpoch(partition: number): Promise<Epoch>;
  /** Stops listening to the connection. */
  close(): void;
}

export interface PartitionOpenerDeps {
  readonly connection: OpenRedis;
  readonly keyspace: Keyspace;
  readonly scripts: Pick<Scripts, 'openPartition'>;
  /** Monotonic clock, ms. */
  readonly now: () => number;
}

export interface PartitionOpenerOptions {
  /** How long the first use waits for the connection, ms. */
  readonly connectTimeoutMs: number;
  /** How long INFO may take, ms. */
  readonly commandTimeoutMs: number;
  /** PostgreSQL has writer modes: a partition without one in Redis is closed. Default false. */
  readonly isOfRollout?: boolean | undefined;
}

/** Somebody may change the eviction policy of a running server, or begin an epoch. */
export const RECHECK_AFTER_MS = 30_000;

/** While the nodes of a cluster swap their roles. */
const OPEN_ATTEMPTS = 3;

/** Of a server; of a cluster, that one of its nodes is gone: another one may have been promoted. */
const lossEvents = ['close', '-node'];

interface KnownEpoch {
  readonly epoch: Epoch;
  readonly knownUntilMs: number;
  /** The node of a cluster that said it. */
  readonly owner: string | undefined;
}

export function createPartitionOpener(
  deps: PartitionOpenerDeps,
  options: PartitionOpenerOptions,
): PartitionOpener {
  const { connection, keyspace, scripts, now } = deps;
  const { redis } = connection;
  const epochs = new Map<number, KnownEpoch>();
  const opening = new Map<number, Promise<Epoch>>();
  let syncedTo: TableIdentity | undefined;
  let losses = 0;
  /** Undefined: not checked, or found unsafe. */
  let recheckAtMs: number | undefined;
  let checking: Promise<void> | undefined;
  /** Of this connection. */
  let confirming: Promise<void> | undefined;

  const onLoss = (): void => {
    losses++;
    epochs.clear();
    confirming = undefined;
  };
  for (const event of lossEvents) redis.on(event, onLoss);

  const ownerOf = (partition: number): string | undefined =>
    isCluster(redis) ? slotOwner(redis, keyspace.meta(partition)) : undefined;
  const known = (partition: number): KnownEpoch | undefined => {
    const one = epochs.get(partition);
    return one && one.owner === ownerOf(partition) ? one : undefined;
  };

  async function checkServers(): Promise<void> {
    const health = await assessPrimaries(redis, { timeoutMs: options.commandTimeoutMs });
    const faults = health.flatMap((one) => one.faults);
    if (faults.length > 0) throw new RedisUnsafeError(faults.join(' '));
  }

  async function confirmPrimary(): Promise<void> {
    const lossesBefore = losses;
    await confirmDatabase(redis, { timeoutMs: options.commandTimeoutMs });
    if (await isNamedPrimary(redis, { timeoutMs: options.commandTimeoutMs })) return;
    // Not while it connects: that would end it for ever.
    if (losses === lossesBefore && redis.status === 'ready' && !isCluster(redis)) redis.disconnect(true);
    throw notConnected();
  }

  async function confirmOnce(): Promise<void> {
    confirming ??= confirmPrimary();
    const mine = confirming;
    try {
      await mine;
    } catch (error) {
      if (confirming === mine) confirming = undefined;
      throw error;
    }
  }

  async function openPartition(partition: number, attempts = OPEN_ATTEMPTS): Promise<Epoch> {
    const lossesBefore = losses;
    await confirmOnce();
    const owner = ownerOf(partition);
    const { isOfRollout = false } = options;
    const reply = await scripts.openPartition(partition, { floor: '0', createGroup: false, isOfRollout });
    if (reply.outcome === 'mismatch') throw layoutMismatch(keyspace, reply);
    // What was learnt may be of the server before, or of the node that a command was redirected from.
    if (losses !== lossesBefore || ownerOf(partition) !== owner) {
      if (attempts > 1 && redis.status === 'ready') return openPartition(partition, attempts - 1);
      throw notConnected();
    }
    syncedTo = reply.syncedTo ?? syncedTo;
    epochs.set(partition, { epoch: reply.epoch, knownUntilMs: now() + RECHECK_AFTER_MS, owner });
    return reply.epoch;
  }

  function openOnce(partition: number): Promise<Epoch> {
    const underWay =
      opening.get(partition) ?? openPartition(partition).finally(() => opening.delete(partition));
    opening.set(partition, underWay);
    return underWay;
  }

  async function firstUse(): Promise<void> {
    await connection.ready(options.connectTimeoutMs);
    await checkServers();
    // The one that is always there: so any first session finds another layout.
    await openOnce(0);
    recheckAtMs = now() + RECHECK_AFTER_MS;
  }

  async function recheck(): Promise<void> {
    recheckAtMs = now() + RECHECK_AFTER_MS;
    await checkServers().catch((error: unknown) => {
      // Back to the first use: it refuses until this is corrected, and then lets calls pass at once.
      if (error instanceof RedisUnsafeError) recheckAtMs = undefined;
    });
  }

  const knows = (partition: number): boolean => (known(partition)?.knownUntilMs ?? 0) > now();

  return {
    isOpen: (partition) =>
      redis.status === 'ready' && recheckAtMs !== undefined && now() <= recheckAtMs && knows(partition),
    async open(partitions) {
      if (recheckAtMs === undefined) {
        checking ??= firstUse().finally(() => {
          checking = undefined;
        });
        await checking;
      }
      // A connection that was passed in may have an offline queue, from which a save would be applied late.
      if (redis.status !== 'ready') throw notConnected();
      const unknown = partitions.filter((partition) => !knows(partition));
      if (unknown.length > 0) await Promise.all(unknown.map(openOnce));
      if (recheckAtMs !== undefined && now() > recheckAtMs) void recheck();
    },
    epochOf: (partition) => known(partition)?.epoch ?? '',
    get syncedTo() {
      return syncedTo;
    },
    sawEpoch(partition, epoch) {
      if (epochs.get(partition)?.epoch !== epoch) epochs.delete(partition);
    },
    refreshEpoch: (partition) => openPartition(partition),
    close() {
      for (const event of lossEvents) redis.off(event, onLoss);
    },
  };
}

function notConnected(): RedisError {
  return new RedisError('Redis is not connected.', {
    effect: 'refused',
    retryable: true,
    reason: 'NOT_CONNECTED',
  });
}

function layoutMismatch(
  { keyPrefix, partitions }: Keyspace,
  found: {
    readonly partitions: string;
    readonly hash: string;
    readonly protocol: string;
    readonly minProtocol: string;
  },
): LayoutMismatchError {
  const problem = protocolProblem(found);
  return new LayoutMismatchError(
    `The sessions under ${keyPrefix} were written with ${layout(found.partitions, found.hash, found.protocol)}; ` +
      `this client is set to ${layout(partitions, PARTITION_HASH, PROTOCOL_VERSION)}.${problem ? ` ${problem}` : ''}`,
  );
}

function layout(partitions: number | string, hash: string, protocol: number | string): string {
  return `${partitions} partitions by ${hash}, protocol ${protocol}`;
}
