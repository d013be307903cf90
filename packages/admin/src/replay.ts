import type { PostgresFailure } from '@cauce/postgres';
import {
  checkLayout,
  emptyReport,
  type PartitionEntries,
  type SyncReport,
} from '@cauce/sync-consumer/internal';
import type { AdminDeps, SyncOptions } from './admin-deps.ts';
import { createAdminPass, untilGivenUp } from './admin-pass.ts';
import { claimEntries, pendingPages } from './pending-events.ts';

export interface ReplayOptions extends SyncOptions {
  /** Only events without a sign of life for this long, ms. Default 30,000; 0 also takes from consumers at work. */
  readonly minIdleMs?: number;
  /** Only events of this consumer. */
  readonly consumer?: string | undefined;
  /** Only this partition. */
  readonly partition?: number | undefined;
  /** Count, claim nothing. Default false. */
  readonly isDryRun?: boolean;
  /** How long PostgreSQL may be away at a stretch before this gives up, ms. Default 15,000. */
  readonly patienceMs?: number;
  readonly signal: AbortSignal;
  /** Called after each round. */
  readonly onProgress?: (done: { readonly claimed: number }) => void;
}

export interface ReplayResult {
  readonly isDryRun: boolean;
  /** Pending events that fit the filter. */
  readonly found: number;
  /** Of these: taken over. The others were settled or taken over by another process, or are not in the stream any more. */
  readonly claimed: number;
  readonly report: SyncReport;
  /** Why PostgreSQL ended it early: what was not finished is still pending, and any consumer will claim it. */
  readonly problem: PostgresFailure | undefined;
}

/**
 * Takes over pending events and sends their sessions through the pipeline of the consumer. So a replay cannot lose a
 * session or write an old state. What is in PostgreSQL already is only settled.
 *
 * @throws LayoutMismatchError, TableMismatchError, RedisError, AbortError; what was not finished stays pending
 */
export async function replay(deps: AdminDeps, options: ReplayOptions): Promise<ReplayResult> {
  const { keyspace, now } = deps;
  const { minIdleMs = 30_000, consumer, partition: only, isDryRun = false, onProgress } = options;
  const { patienceMs = 15_000, signal } = options;
  const partitions =
    only === undefined ? Array.from({ length: keyspace.partitions }, (_, partition) => partition) : [only];
  const report = emptyReport();
  let found = 0;
  let claimed = 0;
  await checkLayout(deps);

  if (isDryRun) {
    for (const partition of partitions) {
      for await (const page of pendingPages(deps, partition, { minIdleMs, consumer })) found += page.length;
    }
    return { isDryRun, found, claimed, report, problem: undefined };
  }

  const admin = createAdminPass(deps, { ...options, purpose: 'replay', patienceMs, signal });
  const startedAtMs = now();
  try {
    const problem = await untilGivenUp(async () => {
      // Before anything is claimed: while PostgreSQL is away, the events stay where they are.
      await admin.open();
      let batch: PartitionEntries[] = [];
      let claimedNow = 0;
      for (const partition of partitions) {
        for await (const page of pendingPages(deps, partition, { minIdleMs, consumer })) {
          found += page.length;
          const ids = page.map(({ id }) => id);
          const taken = await claimEntries(deps, partition, ids, { consumer: admin.consumer, minIdleMs });
          claimed += taken.entries.length;
          claimedNow += taken.entries.length;
          batch.push(taken);
          // No more at a time than is in flight at once, because events that wait here show no sign of life.
          if (claimedNow >= options.batchRows * options.batchesInFlight) await sync();
        }
      }
      await sync();

      async function sync(): Promise<void> {
        const full = batch;
        batch = [];
        claimedNow = 0;
        await admin.pass.sync(full, report, admin.signal);
        onProgress?.({ claimed });
      }
    });
    report.durationMs = now() - startedAtMs;
    return { isDryRun, found, claimed, report, problem };
  } finally {
    await admin.close();
  }
}
