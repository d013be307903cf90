import {
  assessPrimaries,
  type Epoch,
  type Keyspace,
  LayoutMismatchError,
  type OpenRedis,
  PARTITION_HASH,
  PROTOCOL_VERSION,
  RedisError,
  RedisUnsafeError,
  type Scripts,
} from '@cauce/protocol';

/**
 * Stands before every call: sessions go only to a Redis that keeps them and whose data has our layout, and a Redis
 * that was restarted or promoted has begun a new epoch before anybody reads from it or saves to it.
 *
 *            open: connected, safe, same layout, epochs known
 *   shut ────────────────────────────────────────────────────► open
 *    ▲                                                           │
 *    └──── a connection was lost, or the server became unsafe ───┘
 */
export interface RedisGate {
  /**
   * Costs nothing while it is open; every 30 s a call has the server checked in the background. The very first use
   * waits for the connection, later ones fail at once without it.
   *
   * @throws RedisError
   * @throws RedisUnsafeError
   * @throws LayoutMismatchError
   */
  open(): Promise<void>;
  /** Of a partition, as known since the gate was opened. */
  epochOf(partition: number): Epoch;
  /** Asks Redis. @throws RedisError, LayoutMismatchError */
  refreshEpoch(partition: number): Promise<Epoch>;
  /** Lets go of the connection. */
  close(): void;
}

export interface RedisGateDeps {
  readonly connection: OpenRedis;
  readonly keyspace: Keyspace;
  readonly scripts: Pick<Scripts, 'openPartition'>;
  /** Monotonic clock, ms. */
  readonly now: () => number;
}

export interface RedisGateOptions {
  /** How long the first use waits for the connection, ms. */
  readonly connectTimeoutMs: number;
  /** How long INFO may take, ms. */
  readonly commandTimeoutMs: number;
}

/** Somebody may change the eviction policy of a running server, or another process begin an epoch. */
export const RECHECK_AFTER_MS = 30_000;

/** Of a server; of a cluster, that one of its nodes is gone: another one may have been promoted. */
const lossEvents = ['close', '-node'];

export function createRedisGate(deps: RedisGateDeps, options: RedisGateOptions): RedisGate {
  const { connection, keyspace, scripts, now } = deps;
  const { redis } = connection;
  let epochs: Epoch[] = [];
  let isOpen = false;
  let wasOpen = false;
  let losses = 0;
  let checkedAtMs = 0;
  let opening: Promise<void> | undefined;
  let isRechecking = false;

  const onLoss = (): void => {
    losses++;
    isOpen = false;
  };
  for (const event of lossEvents) redis.on(event, onLoss);

  async function check(): Promise<void> {
    const lossesBefore = losses;
    const health = await assessPrimaries(redis, { timeoutMs: options.commandTimeoutMs });
    const faults = health.flatMap((one) => one.faults);
    if (faults.length > 0) throw new RedisUnsafeError(faults.join(' '));
    const opened = await Promise.all(Array.from({ length: keyspace.partitions }, (_, p) => openPartition(p)));
    // What was learnt may be of the server before.
    if (losses !== lossesBefore) throw notConnected();
    epochs = opened;
    checkedAtMs = now();
    isOpen = true;
    wasOpen = true;
  }

  async function openPartition(partition: number): Promise<Epoch> {
    const reply = await scripts.openPartition(partition, { floor: '0', createGroup: false });
    if (reply.outcome === 'mismatch') throw layoutMismatch(keyspace, reply);
    return reply.epoch;
  }

  async function recheck(): Promise<void> {
    isRechecking = true;
    try {
      await check();
    } catch (error) {
      // Shut: it refuses until this is mended, and lets calls pass again at once.
      if (error instanceof RedisUnsafeError || error instanceof LayoutMismatchError) isOpen = false;
    } finally {
      isRechecking = false;
    }
  }

  return {
    async open() {
      // A connection that was passed in may have an offline queue, from which a save would be applied late.
      if (wasOpen && redis.status !== 'ready') throw notConnected();
      if (!isOpen) {
        opening ??= connection
          .ready(options.connectTimeoutMs)
          .then(check)
          .finally(() => {
            opening = undefined;
          });
        return opening;
      }
      if (now() - checkedAtMs > RECHECK_AFTER_MS && !isRechecking) void recheck();
    },
    epochOf: (partition) => epochs[partition] ?? '',
    async refreshEpoch(partition) {
      const epoch = await openPartition(partition);
      epochs[partition] = epoch;
      return epoch;
    },
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
  found: { readonly partitions: string; readonly hash: string; readonly protocol: string },
): LayoutMismatchError {
  return new LayoutMismatchError(
    `The sessions under ${keyPrefix} were written with ${layout(found.partitions, found.hash, found.protocol)}; ` +
      `this client is set to ${layout(partitions, PARTITION_HASH, PROTOCOL_VERSION)}.`,
  );
}

function layout(partitions: number | string, hash: string, protocol: number | string): string {
  return `${partitions} partitions by ${hash}, protocol ${protocol}`;
}
