import { setTimeout as delay } from 'node:timers/promises';
import type { PostgresFailure } from '@cauce/postgres';
import { isHeldBack, RedisError } from '@cauce/protocol';
import {
  addToReport,
  type Backlog,
  checkLayout,
  emptyReport,
  measureBacklog,
  type SyncReport,
  sweepDirty,
} from '@cauce/sync-consumer/internal';
import type { AdminDeps, RedisDeps, SyncOptions } from './admin-deps.ts';
import { type AdminPass, createAdminPass } from './admin-pass.ts';
import { checkTable } from './check-table.ts';
import { parkedPages } from './parked-pages.ts';

export interface DrainOptions extends SyncOptions {
  /** When to stop trying, ms. Default 60,000. */
  readonly deadlineMs?: number;
  readonly signal: AbortSignal;
  /** Called after each round. */
  readonly onProgress?: (now: {
    readonly dirtyLeft: number;
    readonly parkedLeft: number;
    readonly problem: PostgresFailure | undefined;
  }) => void;
}

export interface DrainResult {
  /** PostgreSQL has the newest version of every session. Only then nothing is lost without Redis. */
  readonly isEmpty: boolean;
  readonly dirtyLeft: number;
  /** Of these: PostgreSQL refuses them. */
  readonly parkedLeft: number;
  readonly durationMs: number;
  /** What was synced here; live consumers sync as well. */
  readonly report: SyncReport;
  /** What was wrong with PostgreSQL at the end. */
  readonly problem: PostgresFailure | undefined;
}

/** Between two rounds that found nothing to sync: live consumers hold the rest. */
const PAUSE_MS = 100;
const SWEEP_EVERY_MS = 1000;
const PROGRESS_EVERY_MS = 1000;

/**
 * Syncs until PostgreSQL has everything: announces sessions whose event was lost, claims stale events, and waits for what
 * live consumers hold. Ends early when only parked sessions are left whose next attempt is after the deadline.
 *
 * @throws LayoutMismatchError, TableMismatchError, RedisError (how much is left is unknown then), AbortError;
 *   PostgresError if nothing is dirty, and PostgreSQL does not answer whether this is the right table
 */
export async function drain(deps: AdminDeps, options: DrainOptions): Promise<DrainResult> {
  const { deadlineMs = 60_000, signal: stop, onProgress = () => {} } = options;
  const { now } = deps;
  const startedAtMs = now();
  const elapsedMs = (): number => now() - startedAtMs;
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), deadlineMs);
  const admin = createAdminPass(deps, {
    ...options,
    purpose: 'drain',
    signal: AbortSignal.any([stop, deadline.signal]),
    // What a dead consumer holds must be claimable before the deadline.
    claimIdleMs: Math.min(options.claimIdleMs, Math.max(100, Math.ceil(deadlineMs / 3))),
  });
  const { signal } = admin;
  const report = emptyReport();
  let left = noBacklog;
  const tellProgress = (): void => onProgress({ ...leftOf(left), problem: admin.problem });
  const heartbeat = setInterval(tellProgress, PROGRESS_EVERY_MS);

  try {
    await checkLayout(deps);
    left = await measure(deps);
    if (isDrained(left)) await checkTable(deps);
    const round = roundsOf(deps, admin, report);
    // Events without a dirty session: the index was deleted. They are synced like any other.
    while ((left.dirtySessions > 0 || left.streamEvents > 0) && !signal.aborted) {
      try {
        await round();
      } catch (error) {
        stop.throwIfAborted();
        const isPassing = error instanceof RedisError && error.retryable;
        if (!deadline.signal.aborted && !isPassing) throw error;
      }
      left = await measure(deps);
      tellProgress();
      if (isDrained(left) || (await hasOnlyParked(deps, left, deadlineMs - elapsedMs()))) break;
      await delay(PAUSE_MS, undefined, { signal }).catch(() => {});
    }
    stop.throwIfAborted();
    report.durationMs = elapsedMs();
    return {
      isEmpty: isDrained(left),
      ...leftOf(left),
      durationMs: Math.round(elapsedMs()),
      report,
      problem: admin.problem,
    };
  } finally {
    clearInterval(heartbeat);
    clearTimeout(timer);
    await admin.close();
  }
}

function isDrained({ dirtySessions, streamEvents }: Backlog): boolean {
  return dirtySessions === 0 && streamEvents === 0;
}

/**
 * One round of syncing; the first one opens the partitions. What a round that fails had synced is not in the report.
 */
function roundsOf(deps: AdminDeps, admin: AdminPass, report: SyncReport): () => Promise<void> {
  let isOpen = false;
  const { now } = deps;
  let nextSweepAtMs = Number.NEGATIVE_INFINITY;
  return async () => {
    if (!isOpen) await admin.open();
    isOpen = true;
    if (now() >= nextSweepAtMs) {
      await sweepDirty({ ...deps, onSkipped: admin.onSkipped }, { sweepAfterMs: 0 });
      nextSweepAtMs = now() + SWEEP_EVERY_MS;
    }
    addToReport(report, await admin.pass.syncStale(admin.signal));
    addToReport(report, await admin.pass.syncNew(admin.signal));
  };
}

const noBacklog: Backlog = {
  dirtySessions: 0,
  oldestDirtyAgeMs: 0,
  streamEvents: 0,
  pendingEvents: 0,
  parkedSessions: 0,
};

function leftOf({ dirtySessions, parkedSessions }: Backlog): { dirtyLeft: number; parkedLeft: number } {
  return { dirtyLeft: dirtySessions, parkedLeft: parkedSessions };
}

async function measure({ redis, keyspace }: RedisDeps): Promise<Backlog> {
  try {
    return await measureBacklog(redis, keyspace);
  } catch (error) {
    throw RedisError.from(error, 'drain');
  }
}

/** Whether waiting cannot help: everything that is left is parked beyond the time that is left. */
async function hasOnlyParked(
  deps: RedisDeps & Pick<AdminDeps, 'wallClockMs'>,
  left: Backlog,
  withinMs: number,
): Promise<boolean> {
  if (left.parkedSessions < left.dirtySessions) return false;
  const deadlineAtMs = deps.wallClockMs() + withinMs;
  for (let partition = 0; partition < deps.keyspace.partitions; partition++) {
    for await (const page of parkedPages(deps, partition)) {
      if (page.some(({ record }) => !record || !isHeldBack(record, deadlineAtMs))) return false;
    }
  }
  return true;
}
