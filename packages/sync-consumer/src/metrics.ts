import type { PostgresFailure } from '@cauce/postgres';
import type { Clocks } from '@cauce/protocol';
import { Counter, Gauge, Histogram } from 'prom-client';
import { type RedisMetricsDeps, registerRedisMetrics } from './redis-metrics.ts';
import { finalOutcomes, type SyncReport } from './sync-report.ts';

/** What the sync consumer measures. Labels are bounded: never a tenant, user or session. */
export interface SyncMetrics {
  statement(rows: number, durationMs: number): void;
  failure(failure: PostgresFailure): void;
  synced(report: SyncReport): void;
  announcedAgain(sessions: number): void;
}

const failureClasses = [
  'transient',
  'misconfigured',
  'refused',
] as const satisfies PostgresFailure['class'][];

export interface SyncMetricsDeps extends RedisMetricsDeps, Pick<Clocks, 'wallClockMs'> {}

/** Registers the consumer's metrics. Names and units: `docs/operations.md`. */
export function createSyncMetrics({ registry, measureRedis, wallClockMs }: SyncMetricsDeps): SyncMetrics {
  const registers = [registry];
  registerRedisMetrics({ registry, measureRedis });
  const lastSync = new Gauge({
    name: 'cauce_last_sync_timestamp_seconds',
    help: 'When the last pass without a failure ended',
    registers,
  });
  const statementRows = new Histogram({
    name: 'cauce_statement_rows',
    help: 'Rows of a committed statement',
    buckets: [1, 5, 10, 25, 50, 100, 250, 500],
    registers,
  });
  const statementDuration = new Histogram({
    name: 'cauce_statement_duration_seconds',
    help: 'Duration of a committed statement',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  });
  const sessions = new Counter({
    name: 'cauce_synced_sessions_total',
    help: 'Sessions of finished passes, by outcome',
    labelNames: ['outcome'] as const,
    registers,
  });
  const failures = new Counter({
    name: 'cauce_sync_failures_total',
    help: 'Failed statements, by class',
    labelNames: ['class'] as const,
    registers,
  });
  const announced = new Counter({
    name: 'cauce_swept_sessions_total',
    help: 'Dirty sessions whose event was lost and that were announced again',
    registers,
  });

  // A series that begins with its first failure hides it from rate() and increase().
  for (const failureClass of failureClasses) failures.inc({ class: failureClass }, 0);
  for (const outcome of finalOutcomes) sessions.inc({ outcome }, 0);

  return {
    statement(count, durationMs) {
      statementRows.observe(count);
      statementDuration.observe(durationMs / 1000);
    },
    failure: ({ class: failureClass }) => failures.inc({ class: failureClass }),
    synced(report) {
      for (const outcome of finalOutcomes) sessions.inc({ outcome }, report[outcome]);
      lastSync.set(wallClockMs() / 1000);
    },
    announcedAgain: (count) => announced.inc(count),
  };
}
