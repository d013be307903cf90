import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Backlog } from './backlog.ts';
import type { PostgresFailure } from './postgres/classify-failure.ts';
import type { SyncReport } from './sync-report.ts';

/** What the sync consumer measures. Labels are bounded: never a tenant, user or session. */
export interface SyncMetrics {
  statement(rows: number, durationMs: number): void;
  failure(failure: PostgresFailure): void;
  synced(report: SyncReport): void;
  announcedAgain(sessions: number): void;
  memory(usedBytes: number, maxBytes: number): void;
}

export interface SyncMetricsDeps {
  readonly registry: Registry;
  /** Asked at each scrape. */
  readonly measureBacklog: () => Promise<Backlog>;
}

/** Registers the consumer's metrics. Names and units: `docs/operations.md`. */
export function createSyncMetrics({ registry, measureBacklog }: SyncMetricsDeps): SyncMetrics {
  const registers = [registry];
  const gauge = (name: string, help: string): Gauge => new Gauge({ name, help, registers });
  const dirtySessions = new Gauge({
    name: 'cauce_dirty_sessions',
    help: 'Sessions whose newest version is not in PostgreSQL',
    registers,
    // One read fills all gauges of the backlog. A scrape while Redis is away keeps the last values.
    async collect() {
      try {
        const backlog = await measureBacklog();
        dirtySessions.set(backlog.dirtySessions);
        oldestDirtyAge.set(backlog.oldestDirtyAgeMs / 1000);
        waitingEvents.set(backlog.waitingEvents);
        pendingEntries.set(backlog.pendingEntries);
        parkedSessions.set(backlog.parkedSessions);
        redisUp.set(1);
      } catch {
        redisUp.set(0);
      }
    },
  });
  const oldestDirtyAge = gauge(
    'cauce_oldest_dirty_age_seconds',
    'Since when the oldest dirty session is: the sync lag',
  );
  const waitingEvents = gauge('cauce_waiting_events', 'Events in the changes streams');
  const pendingEntries = gauge('cauce_pending_entries', 'Events handed to a consumer and not settled');
  const parkedSessions = gauge('cauce_parked_sessions', 'Sessions PostgreSQL refuses as they are');
  const redisUp = gauge('cauce_redis_up', 'Whether Redis answered the last scrape');
  const lastSync = gauge('cauce_last_sync_timestamp_seconds', 'When the last pass without a failure ended');
  const memoryRatio = gauge('cauce_redis_memory_used_ratio', 'Used memory of maxmemory, 0 without a limit');
  const batchRows = new Histogram({
    name: 'cauce_sync_batch_rows',
    help: 'Rows of a committed statement',
    buckets: [1, 5, 10, 25, 50, 100, 250, 500],
    registers,
  });
  const duration = new Histogram({
    name: 'cauce_sync_duration_seconds',
    help: 'Duration of a committed statement',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  });
  const rows = new Counter({
    name: 'cauce_sync_rows_total',
    help: 'Sessions carried, by what became of them',
    labelNames: ['outcome'] as const,
    registers,
  });
  const failures = new Counter({
    name: 'cauce_sync_failures_total',
    help: 'Failed statements, by class',
    labelNames: ['class'] as const,
    registers,
  });
  const conflicts = new Counter({
    name: 'cauce_conflicts_total',
    help: 'Sessions whose row was newer than Redis; what lost is in the conflict table',
    registers,
  });
  const announced = new Counter({
    name: 'cauce_swept_sessions_total',
    help: 'Dirty sessions whose event was lost and that were announced again',
    registers,
  });

  return {
    statement(count, durationMs) {
      batchRows.observe(count);
      duration.observe(durationMs / 1000);
    },
    failure: ({ class: failureClass }) => failures.inc({ class: failureClass }),
    synced(report) {
      for (const outcome of [
        'written',
        'duplicates',
        'superseded',
        'conflicts',
        'reissued',
        'parked',
        'held',
        'clean',
      ] as const) {
        rows.inc({ outcome }, report[outcome]);
      }
      conflicts.inc(report.conflicts + report.reissued);
      lastSync.set(Date.now() / 1000);
    },
    announcedAgain: (sessions) => announced.inc(sessions),
    memory: (usedBytes, maxBytes) => memoryRatio.set(maxBytes > 0 ? usedBytes / maxBytes : 0),
  };
}
