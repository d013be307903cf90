import {
  assessPrimaries,
  fullest,
  type Keyspace,
  type OpenRedis,
  type RedisHealth,
  withDeadline,
} from '@cauce/protocol';
import { type Backlog, measureBacklog } from './backlog.ts';

/** Redis at one moment, as far as it answered. */
export interface RedisMeasurement {
  /** Whether every server that holds keys answered. */
  readonly isUp: boolean;
  readonly backlog: Backlog | undefined;
  /** Partitions that are not in the backlog's sums: they failed while others answered. */
  readonly unmeasuredPartitions: number;
  /** Of the server that is closest to its limit. */
  readonly memory:
    | Pick<RedisHealth, 'usedMemoryBytes' | 'maxMemoryBytes' | 'memoryLimitBytes' | 'evictableRatio'>
    | undefined;
}

export interface MeasureDeps {
  readonly redis: OpenRedis;
  readonly keyspace: Keyspace;
}

const unreachable: RedisMeasurement = {
  isUp: false,
  backlog: undefined,
  unmeasuredPartitions: 0,
  memory: undefined,
};

/** Waits for the connection and the answers, together at most `timeoutMs`. Never rejects. */
export async function measureRedis(
  { redis, keyspace }: MeasureDeps,
  { timeoutMs }: { readonly timeoutMs: number },
): Promise<RedisMeasurement> {
  let unmeasuredPartitions = 0;
  const measure = async (): Promise<RedisMeasurement> => {
    await redis.ready(timeoutMs);
    const [backlog, health] = await Promise.allSettled([
      measureBacklog(redis.redis, keyspace, (failures) => {
        unmeasuredPartitions = failures.length;
      }),
      assessPrimaries(redis.redis, { timeoutMs }),
    ]);
    return {
      isUp: health.status === 'fulfilled',
      backlog: backlog.status === 'fulfilled' ? backlog.value : undefined,
      unmeasuredPartitions: backlog.status === 'fulfilled' ? unmeasuredPartitions : keyspace.partitions,
      memory: health.status === 'fulfilled' ? fullest(health.value) : undefined,
    };
  };
  return withDeadline(measure(), timeoutMs).catch(() => unreachable);
}
