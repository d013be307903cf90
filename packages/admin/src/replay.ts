import type { PostgresFailure } from '@cauce/postgres';
import { emptyReport, type PartitionEntries, type SyncReport } from '@cauce/sync-consumer/internal';
import type { AdminDeps, SyncOptions } from './admin-deps.ts';
import { createAdminPass, untilGivenUp } from './admin-pass.ts';
import { checkLayout } from './check-layout.ts';
import { claimEntries, pendingPages } from './pending-entries.ts';

export interface ReplayOptions extends SyncOptions {
  /** Only entries without a sign of life for this long, ms. Default 30,000; 0 also takes from consumers at work. */
  readonly minIdleMs?: number;
  /** Only entries of this consumer. */
  readonly consumer?: string | undefined;
  /** Only this partition. */
  readonly partition?: number | undefined;
  /** Count, claim nothing. Default false. */
  readonly isDryRun?: boolean;
  /** How long PostgreSQL may be away at a stretch before this gives up, ms. Default 15,000. */
  readonly patienceMs?: number;
  readonly signal: AbortSignal;
  /** Told after each round. */
  readonly onProgress?: (done: { readonly claimed: number }) => void;
}

export interface ReplayResult {
  readonly isDryRun: boolean;
  /** Pending entries that fit the filter. */
  readonly found: number;
  /** Of these: taken over. The others were settled, taken by somebody else, or had lost their event. */
  readonly claimed: number;
  readonly report: SyncReport;
  /** Why PostgreSQL ended it early: what was not finished is pending still, and any consumer will claim it. */
  readonly problem: PostgresFailure | undefined;
}

/**
 * Takes over pending entries and runs them through the consumer's own pipeline, so a replay can neither lose a
 * session nor write an old state: what is in PostgreSQL already is only settled.
 *
 * @throws LayoutMismatchError, TableMismatchError, RedisError, AbortError; what was not finished stays pending
 */
export async function replay(deps: AdminDeps, options: ReplayOptions): Promise<ReplayResult> {
  const { keyspace } = deps;
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
  const startedAtMs = performance.now();
  try {
    const problem = await untilGivenUp(async () => {
      // Before anything is claimed: while PostgreSQL is away, entries are best left where they are.
      await admin.open();
      let batch: PartitionEntries[] = [];
      let waiting = 0;
      for (const partition of partitions) {
        for await (const page of pendingPages(deps, partition, { minIdleMs, consumer })) {
          found += page.length;
          const ids = page.map(({ id }) => id);
          const taken = await claimEntries(deps, partition, ids, { consumer: admin.consumer, minIdleMs });
          claimed += taken.entries.length;
          waiting += taken.entries.length;
          batch.push(taken);
          // No more at a time than is in flight at once: entries that wait here show no sign of life.
          if (waiting >= options.batchRows * options.batchesInFlight) await sync();
        }
      }
      await sync();

      async function sync(): Promise<void> {
        const full = batch;
        batch = [];
        waiting = 0;
        await admin.pass.sync(full, report, admin.signal);
        onProgress?.({ claimed });
      }
    });
    report.durationMs = performance.now() - startedAtMs;
    return { isDryRun, found, claimed, report, problem };
  } finally {
    await admin.close();
  }
}
