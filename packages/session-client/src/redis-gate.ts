import {
  assessRedis,
  type Keyspace,
  LayoutMismatchError,
  type OpenRedis,
  PARTITION_HASH,
  PROTOCOL_VERSION,
  type RedisConnection,
  RedisError,
  RedisUnsafeError,
  type Scripts,
  withDeadline,
} from '@cauce/protocol';

/** Stands before every call: sessions go only to a Redis that keeps them and whose data has our layout. */
export interface RedisGate {
  /**
   * The first use waits for the connection and checks the server and the layout; a failure is tried again by
   * the next call. Later uses cost nothing; every 30 s one of them has the server checked in the background.
   *
   * @throws RedisError
   * @throws RedisUnsafeError
   * @throws LayoutMismatchError
   */
  open(): Promise<void>;
}

export interface RedisGateDeps {
  readonly connection: OpenRedis;
  readonly keyspace: Keyspace;
  readonly scripts: Scripts;
  /** Monotonic clock, ms. */
  readonly now: () => number;
}

export interface RedisGateOptions {
  /** How long the first use waits for the connection, ms. */
  readonly connectTimeoutMs: number;
  /** How long INFO may take, ms. */
  readonly commandTimeoutMs: number;
}

/** Somebody may change the eviction policy of a running server. */
export const RECHECK_AFTER_MS = 30_000;

export function createRedisGate(deps: RedisGateDeps, options: RedisGateOptions): RedisGate {
  const { connection, keyspace, scripts, now } = deps;
  const { redis } = connection;
  let checkedAtMs: number | undefined;
  let opening: Promise<void> | undefined;
  let isRechecking = false;

  async function checkServer(): Promise<void> {
    const infos = await readInfo(redis, options.commandTimeoutMs);
    const faults = new Set(infos.flatMap((info) => assessRedis(info).faults));
    if (faults.size > 0) throw new RedisUnsafeError([...faults].join(' '));
  }

  async function firstUse(): Promise<void> {
    await connection.ready(options.connectTimeoutMs);
    await checkServer();
    await refuseOtherLayout(scripts, keyspace);
    checkedAtMs = now();
  }

  async function recheck(): Promise<void> {
    isRechecking = true;
    try {
      await checkServer();
      checkedAtMs = now();
    } catch (error) {
      // Back to the first use: it refuses until the server is safe, and lets calls pass again at once.
      if (error instanceof RedisUnsafeError) checkedAtMs = undefined;
    } finally {
      isRechecking = false;
    }
  }

  return {
    async open() {
      if (checkedAtMs === undefined) {
        opening ??= firstUse().finally(() => {
          opening = undefined;
        });
        return opening;
      }
      // A connection that was passed in may have an offline queue, from which a save would be applied late.
      if (redis.status !== 'ready') {
        throw new RedisError('Redis is not connected.', {
          effect: 'refused',
          retryable: true,
          reason: 'NOT_CONNECTED',
        });
      }
      if (now() - checkedAtMs > RECHECK_AFTER_MS && !isRechecking) void recheck();
    },
  };
}

/** Of every primary: one unsafe node of a cluster is enough to lose saves. */
async function readInfo(redis: RedisConnection, timeoutMs: number): Promise<string[]> {
  const nodes = 'nodes' in redis ? redis.nodes('master') : [redis];
  try {
    return await withDeadline(Promise.all(nodes.map((node) => node.info())), timeoutMs);
  } catch (error) {
    throw RedisError.from(error, 'info');
  }
}

async function refuseOtherLayout(scripts: Scripts, keyspace: Keyspace): Promise<void> {
  const reply = await scripts.openPartition(0, { floor: '0', createGroup: false });
  if (reply.outcome !== 'mismatch') return;
  throw new LayoutMismatchError(
    `The sessions under ${keyspace.keyPrefix} were written with ${layout(reply.partitions, reply.hash, reply.protocol)}; ` +
      `this client is set to ${layout(keyspace.partitions, PARTITION_HASH, PROTOCOL_VERSION)}.`,
  );
}

function layout(partitions: number | string, hash: string, protocol: number | string): string {
  return `${partitions} partitions by ${hash}, protocol ${protocol}`;
}
