import { Gauge, type Registry } from 'prom-client';
import type { RedisMeasurement } from './measure-redis.ts';
import { shareCalls } from './share-calls.ts';

export interface RedisMetricsDeps {
  readonly registry: Registry;
  /** Asked once for each scrape. */
  readonly measureRedis: () => Promise<RedisMeasurement>;
}

interface RedisGauge {
  readonly name: string;
  readonly help: string;
  /** Undefined: Redis did not say, and the scrape has no sample. */
  readonly read: (measured: RedisMeasurement) => number | undefined;
}

const redisGauges: readonly RedisGauge[] = [
  {
    name: 'cauce_dirty_sessions',
    help: 'Sessions whose newest version is not in PostgreSQL',
    read: ({ backlog }) => backlog?.dirtySessions,
  },
  {
    name: 'cauce_oldest_dirty_age_seconds',
    help: 'Age of the oldest dirty session: the sync lag',
    read: ({ backlog }) => backlog && backlog.oldestDirtyAgeMs / 1000,
  },
  {
    name: 'cauce_stream_events',
    help: 'Events in the changes streams',
    read: ({ backlog }) => backlog?.streamEvents,
  },
  {
    name: 'cauce_pending_events',
    help: 'Events handed to a consumer and not settled',
    read: ({ backlog }) => backlog?.pendingEvents,
  },
  {
    name: 'cauce_parked_sessions',
    help: 'Sessions that PostgreSQL refuses',
    read: ({ backlog }) => backlog?.parkedSessions,
  },
  {
    name: 'cauce_unmeasured_partitions',
    help: 'Partitions that did not answer; the numbers of sessions and events are without them',
    read: ({ backlog, unmeasuredPartitions }) => backlog && unmeasuredPartitions,
  },
  {
    name: 'cauce_redis_up',
    help: 'Whether every Redis server that holds sessions answered this scrape',
    read: ({ isUp }) => Number(isUp),
  },
  {
    name: 'cauce_redis_memory_used_ratio',
    help: 'Used memory divided by maxmemory, or by the memory of the host without a limit',
    read: ({ memory }) =>
      memory && memory.memoryLimitBytes > 0 ? memory.usedMemoryBytes / memory.memoryLimitBytes : undefined,
  },
  {
    name: 'cauce_redis_evictable_ratio',
    help: 'Share of the keys that Redis may drop when it is full',
    read: ({ memory }) => memory?.evictableRatio,
  },
  {
    name: 'cauce_redis_maxmemory_bytes',
    help: 'The memory limit of Redis, 0 without one',
    read: ({ memory }) => memory?.maxMemoryBytes,
  },
];

/** Registers the metrics that are asked of Redis at each scrape. All numbers of a scrape are of one moment. */
export function registerRedisMetrics({ registry, measureRedis }: RedisMetricsDeps): void {
  // The registry asks every gauge in one turn, and each waits for the same measurement.
  const collect = shareCalls(async () => {
    const measured = await measureRedis();
    for (const { gauge, read } of gauges) {
      const value = read(measured);
      if (value === undefined) gauge.remove();
      else gauge.set(value);
    }
  });
  const gauges = redisGauges.map(({ name, help, read }) => ({
    gauge: new Gauge({ name, help, registers: [registry], collect }),
    read,
  }));
}
