import {
  compareVersions,
  countIn,
  type Epoch,
  ErrorCause,
  isCluster,
  type Keyspace,
  type LocatedSession,
  type OpenRedis,
  openRedis,
  parseHeader,
  pipelineIn,
  type RedisConnection,
  RedisError,
  SESSION_HASH,
  textOrNullIn,
  understood,
  withDeadline,
} from '@cauce/protocol';
import type { SaveReceipt } from './save-receipt.ts';

/** Tells whether a save that Redis acknowledged is on a replica too. */
export interface ReplicatedSaves {
  /**
   * Resolves when a replica has it.
   *
   * @param epoch in which it was saved; '' = not known
   * @throws Error that says why that is not known
   */
  untilReplicated(session: LocatedSession, receipt: SaveReceipt, epoch: Epoch): Promise<void>;
  /** Closes its connection, if there is one. */
  close(): void;
}

export interface ReplicatedSavesDeps {
  readonly connection: OpenRedis;
  readonly keyspace: Pick<Keyspace, 'barrier'>;
}

export interface ReplicatedSavesOptions {
  /** Longest wait for the connection, and for Redis' answers, ms. A replica gets half of it. */
  readonly commandTimeoutMs: number;
}

interface Waiting {
  readonly session: LocatedSession;
  readonly receipt: SaveReceipt;
  readonly epoch: Epoch;
  readonly resolve: () => void;
  readonly reject: (why: Error) => void;
}

/**
 * WAIT counts everything that its own connection wrote before, and blocks that connection. So it gets a separate
 * connection, and writes a barrier key there first. Replicas apply writes in order, so a replica that has the barrier has
 * every save before it. The same pipeline checks that this server has the save: after a promotion in between it may not
 * have it, even if it has something newer. One WAIT answers for all saves that came while the one before it was under
 * way.
 */
export function createReplicatedSaves(
  { connection, keyspace }: ReplicatedSavesDeps,
  { commandTimeoutMs }: ReplicatedSavesOptions,
): ReplicatedSaves {
  const groups = new Map<number, Waiting[]>();
  let own: OpenRedis | undefined;

  async function connected(): Promise<RedisConnection> {
    own ??= openOwn();
    await own.ready(commandTimeoutMs);
    return own.redis;
  }

  function openOwn(): OpenRedis {
    const { redis } = connection;
    // `ready` connects it: what it would ask a sentinel before it is handed over could not be listened to.
    const duplicate = isCluster(redis) ? redis.duplicate() : redis.duplicate({ lazyConnect: true });
    duplicate.on('error', () => {});
    return openRedis(duplicate, {
      ...{ connectionName: '', answerTimeoutMs: commandTimeoutMs },
      onError: () => {},
    });
  }

  async function run(group: number): Promise<void> {
    for (let batch = groups.get(group); batch && batch.length > 0; batch = groups.get(group)) {
      groups.set(group, []);
      try {
        const replies = await ask(await connected(), batch);
        const [barrier, replicas] = replies.slice(-2);
        understood('replica check', barrier === 'OK' ? barrier : undefined);
        batch.forEach((one, i) => {
          const { resolve, reject } = one;
          if (!isHeld(one, textOrNullIn('replica check', replies[i]))) {
            reject(
              ErrorCause.because('Redis does not have the save any more: it was promoted or restarted.'),
            );
          } else if (countIn('WAIT', replicas) < 1)
            reject(ErrorCause.because('No replica acknowledged it in time.'));
          else resolve();
        });
      } catch (error) {
        const failure = RedisError.from(error, 'wait');
        for (const { reject } of batch) reject(failure);
      }
    }
    groups.delete(group);
  }

  async function ask(redis: RedisConnection, batch: readonly Waiting[]): Promise<unknown[]> {
    const pipeline = redis.pipeline();
    for (const { session } of batch) pipeline.hget(session.key, SESSION_HASH.header);
    pipeline.set(keyspace.barrier(batch[0]?.session.partition ?? 0), '', 'PX', commandTimeoutMs);
    pipeline.call('WAIT', 1, Math.ceil(commandTimeoutMs / 2));
    const replies = await withDeadline(pipeline.exec(), commandTimeoutMs);
    return pipelineIn('replica check', replies, batch.length + 2);
  }

  return {
    untilReplicated(session, receipt, epoch) {
      // Of a cluster, only what lies in one slot is surely on one node.
      const group = isCluster(connection.redis) ? session.partition : 0;
      return new Promise((resolve, reject) => {
        const waiting = groups.get(group);
        const one = { session, receipt, epoch, resolve, reject };
        if (waiting) waiting.push(one);
        else {
          groups.set(group, [one]);
          void run(group);
        }
      });
    },
    close() {
      own?.redis.disconnect();
    },
  };
}

/**
 * Whether a server has had the save. A newer version alone does not say so: a successor that never had it issues higher
 * ones.
 */
function isHeld({ receipt, epoch }: Waiting, text: string | null): boolean {
  const header = text === null ? undefined : parseHeader(text);
  if (!header || compareVersions(header.version, receipt.version) < 0) return false;
  const isAmongLast = header.operations.some(
    ({ opId, version }) => opId === receipt.opId && version === receipt.version,
  );
  return header.version === receipt.version || isAmongLast || (epoch !== '' && header.savedIn === epoch);
}
