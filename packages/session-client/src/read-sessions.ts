import {
  CorruptSessionError,
  type Epoch,
  type HeldSession,
  type Keyspace,
  type LocatedSession,
  parseMode,
  pipelineIn,
  type RedisConnection,
  RedisError,
  SESSION_FIELDS,
  sessionIn,
  textsOrNullIn,
  toHeldSession,
  withDeadline,
} from '@cauce/protocol';
import { ClosedPartitionError } from './closed-partition.ts';

/** Reads what Redis holds; undefined for a session that is not there. Works when its memory is full (P7). */
export interface SessionReader {
  /**
   * @throws RedisError
   * @throws CorruptSessionError
   */
  read(session: LocatedSession): Promise<HeldSession | undefined>;
  /** One round trip for a partition, all partitions at once. Answers in the order asked. */
  readMany(sessions: readonly LocatedSession[]): Promise<(HeldSession | undefined)[]>;
}

export interface ReaderOptions {
  readonly timeoutMs: number;
  /**
   * Given: each read asks for the writer mode and the epoch of the partition, too, in the same round trip, before the
   * sessions. Where Redis does not serve them it fails with ClosedPartitionError.
   */
  readonly following?:
    | {
        readonly keyspace: Pick<Keyspace, 'meta'>;
        readonly onEpoch: (partition: number, epoch: Epoch) => void;
      }
    | undefined;
}

export function createSessionReader(redis: RedisConnection, options: ReaderOptions): SessionReader {
  const { following } = options;

  // Of one slot, so that a cluster takes it as one pipeline.
  async function readPartition(sessions: readonly LocatedSession[]): Promise<unknown[]> {
    const pipeline = redis.pipeline();
    const partition = sessions[0]?.partition ?? 0;
    if (following) pipeline.hmget(following.keyspace.meta(partition), 'mode', 'epoch');
    for (const { key } of sessions) pipeline.hmget(key, ...SESSION_FIELDS);
    const replies = await withDeadline(pipeline.exec(), options.timeoutMs);
    if (!following) return pipelineIn('load', replies, sessions.length);
    const [meta, ...found] = pipelineIn('load', replies, sessions.length + 1);
    const [text, epoch] = textsOrNullIn('load', meta, 2);
    const mode = parseMode(text ?? '');
    if (mode?.mode !== 'redis' && mode?.mode !== 'to_direct') throw new ClosedPartitionError(mode);
    following.onEpoch(partition, epoch ?? '');
    return found;
  }

  return {
    async read(session) {
      try {
        const [reply] = following
          ? await readPartition([session])
          : [await withDeadline(redis.hmget(session.key, ...SESSION_FIELDS), options.timeoutMs)];
        return stored(() => "the session's key", reply);
      } catch (error) {
        throw readFailure(error, "the session's key");
      }
    },
    async readMany(sessions) {
      const found = new Map<LocatedSession, HeldSession | undefined>();
      await Promise.all(
        [...byPartition(sessions).values()].map(async (group) => {
          try {
            const replies = await readPartition(group);
            group.forEach((session, i) => {
              const where = (): string => `the key of session ${sessions.indexOf(session)} of the call`;
              found.set(session, stored(where, replies[i]));
            });
          } catch (error) {
            throw readFailure(error, `partition ${group[0]?.partition}`);
          }
        }),
      );
      return sessions.map((session) => found.get(session));
    },
  };
}

function byPartition(sessions: readonly LocatedSession[]): Map<number, LocatedSession[]> {
  const groups = new Map<number, LocatedSession[]>();
  for (const session of sessions) {
    const group = groups.get(session.partition);
    if (group) group.push(session);
    else groups.set(session.partition, [session]);
  }
  return groups;
}

/** @param where for the error: no key, which has the ids */
function stored(where: () => string, reply: unknown): HeldSession | undefined {
  const held = sessionIn('load', reply);
  if (held.kind === 'absent') return undefined;
  if (held.kind === 'unreadable') {
    throw new CorruptSessionError(`What Redis holds under ${where()} is not a session.`);
  }
  return toHeldSession(held);
}

function readFailure(error: unknown, where: string): Error {
  if (error instanceof CorruptSessionError || error instanceof ClosedPartitionError) return error;
  const failure = RedisError.from(error, 'load');
  return failure.failure.reason === 'WRONGTYPE'
    ? new CorruptSessionError(`What Redis holds under ${where} is not a session.`, failure)
    : failure;
}
