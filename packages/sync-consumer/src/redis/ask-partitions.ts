import { isCauceError, isCluster, type Keyspace, type RedisConnection, RedisError } from '@cauce/protocol';

/** What one partition did not give; it is tried again with the next pass. */
export interface PartitionFailure {
  readonly partition: number;
  readonly error: RedisError;
}

export interface AskDeps {
  readonly redis: RedisConnection;
  /** Called with the partitions that failed, while the others go on. What it throws ends the call. */
  readonly onSkipped: (failures: readonly PartitionFailure[]) => void;
}

/**
 * Asks each partition, and returns the answers in order, without those of partitions that failed: a fault of one does
 * not stop the others (P9).
 *
 * @throws RedisError when the failure is not one partition's: the only server is away or not well, or the whole
 *   cluster is; LayoutMismatchError, TableMismatchError when one of them answers so
 */
export async function askPartitions<Asked extends { readonly partition: number }, Answer>(
  { redis, onSkipped }: AskDeps,
  asked: readonly Asked[],
  call: string,
  ask: (one: Asked) => Promise<Answer>,
): Promise<Answer[]> {
  const failures: PartitionFailure[] = [];
  const answers = await Promise.all(
    asked.map(async (one) => {
      try {
        return [await ask(one)];
      } catch (error) {
        // Another layout or table is not one partition's fault.
        if (isCauceError(error) && !(error instanceof RedisError)) throw error;
        failures.push({ partition: one.partition, error: RedisError.from(error, call) });
        return [];
      }
    }),
  );
  const ofAll = failures.find(({ error }) => concernsAll(redis, error));
  if (ofAll) throw ofAll.error;
  if (failures.length > 0) onSkipped(failures);
  return answers.flat();
}

/** Asks every partition there is. @throws RedisError as {@link askPartitions}, and when none of them answered */
export async function askAllPartitions<Answer>(
  { keyspace, redis, onSkipped }: AskDeps & { readonly keyspace: Keyspace },
  call: string,
  ask: (one: { readonly partition: number }) => Promise<Answer>,
): Promise<Answer[]> {
  const all = Array.from({ length: keyspace.partitions }, (_, partition) => ({ partition }));
  let left: readonly PartitionFailure[] = [];
  const keep = (failures: readonly PartitionFailure[]): void => {
    left = failures;
  };
  const answers = await askPartitions({ redis, onSkipped: keep }, all, call, ask);
  if (answers.length === 0) skipNone(left);
  if (left.length > 0) onSkipped(left);
  return answers;
}

/** For those that need every partition. @throws RedisError that names the partitions */
export function skipNone(failures: readonly PartitionFailure[]): void {
  const [first] = failures;
  if (!first) return;
  const { message, failure, cause } = first.error;
  const partitions = failures.map(({ partition }) => partition);
  throw new RedisError(`${namePartitions(partitions)}: ${message}`, failure, cause);
}

const MAX_NAMED = 10;

/** `partition 3`, `partitions 3, 7`, `partitions 0, 1, … and 54 more`. Pure. */
export function namePartitions(partitions: readonly number[]): string {
  const sorted = [...partitions].sort((a, b) => a - b);
  const more = sorted.length - MAX_NAMED;
  const named = sorted.slice(0, MAX_NAMED).join(', ');
  return `partition${sorted.length === 1 ? '' : 's'} ${named}${more > 0 ? ` and ${more} more` : ''}`;
}

/** Of one partition, although they pass by themselves. */
const ofPartition = ['NOTOPENED', 'BADFLOOR', 'EXHAUSTED'];

/** What passes by itself is the server's condition, not a key's; of a cluster, one server is not all. */
function concernsAll(redis: RedisConnection, { failure }: RedisError): boolean {
  if (isCluster(redis)) return redis.status !== 'ready';
  return failure.retryable && !ofPartition.includes(failure.reason);
}
