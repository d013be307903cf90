import type { PostgresFailure } from '@cauce/postgres';
import {
  ABSENT_VERSION,
  type LocatedSession,
  nextParkedRecord,
  type ParkedRecord,
  type SessionRef,
} from '@cauce/protocol';
import { checkLayout, emptyReport, type SyncReport } from '@cauce/sync-consumer/internal';
import type { AdminDeps, SyncOptions } from './admin-deps.ts';
import { type AdminPass, createAdminPass, untilGivenUp } from './admin-pass.ts';
import { readParked } from './parked.ts';
import { parkedPages } from './parked-pages.ts';
import { claimEntries } from './pending-events.ts';
import { readHeader } from './read-header.ts';

export interface RetryOptions extends SyncOptions {
  /** Only this session; all that are parked otherwise. */
  readonly ref?: SessionRef | undefined;
  /** Say what would be tried, change nothing. Default false. */
  readonly isDryRun?: boolean;
  /** How long PostgreSQL may be away at a stretch before this gives up, ms. Default 15,000. */
  readonly patienceMs?: number;
  readonly signal: AbortSignal;
}

/**
 * `synced`: PostgreSQL has it now. `parked`: refused again. `dirty`: saved meanwhile, or not finished; the consumer
 * syncs it. `gone`: it was not parked any more.
 */
export type RetryOutcome = 'synced' | 'parked' | 'dirty' | 'gone';

export interface RetriedSession {
  readonly ref: SessionRef;
  /** Undefined in a dry run. */
  readonly outcome: RetryOutcome | undefined;
  /** Of the last refusal. */
  readonly sqlState: string | undefined;
}

export interface RetryResult {
  readonly isDryRun: boolean;
  readonly sessions: readonly RetriedSession[];
  readonly report: SyncReport;
  /** Why PostgreSQL ended it early; what was not tried stays parked, or is announced and due. */
  readonly problem: PostgresFailure | undefined;
}

/** Due at once, on hosts with any clock. */
const DUE = 0;

/**
 * Tries parked sessions now instead of at their time, with the pipeline of the consumer, and returns the outcome of
 * each. @throws LayoutMismatchError, TableMismatchError, RedisError, AbortError
 */
export async function retryParked(deps: AdminDeps, options: RetryOptions): Promise<RetryResult> {
  const { keyspace, now } = deps;
  const { ref, isDryRun = false, patienceMs = 15_000, signal } = options;
  const report = emptyReport();
  const sessions: RetriedSession[] = [];
  await checkLayout(deps);

  if (isDryRun) {
    for await (const page of pagesOf(deps, ref)) {
      sessions.push(
        ...page.map(({ session, record }) => ({
          ref: session.ref,
          outcome: undefined,
          sqlState: record?.sqlState,
        })),
      );
    }
    return { isDryRun, sessions, report, problem: undefined };
  }

  const admin = createAdminPass(deps, { ...options, purpose: 'retry', patienceMs, signal });
  const startedAtMs = now();
  try {
    const seen = new Set<string>();
    const problem = await untilGivenUp(async () => {
      await admin.open();
      for await (const page of pagesOf(deps, ref)) {
        // One that was refused again is in the hash still, and may come up on a later page.
        const fresh = page.filter(({ session }) => !seen.has(session.key));
        for (const { session } of fresh) seen.add(session.key);
        try {
          await retryPage(deps, admin, fresh, report);
        } finally {
          sessions.push(...(await Promise.all(fresh.map(({ session }) => outcomeOf(deps, session)))));
        }
      }
    });
    report.durationMs = now() - startedAtMs;
    return { isDryRun, sessions, report, problem };
  } finally {
    await admin.close();
  }

  async function* pagesOf(
    from: AdminDeps,
    only: SessionRef | undefined,
  ): AsyncGenerator<{ session: LocatedSession; record: ParkedRecord | undefined }[]> {
    if (only) {
      const session = keyspace.locate(only);
      const parked = await readParked(from, session);
      if (parked) yield [{ session, record: parked.record }];
      return;
    }
    for (let partition = 0; partition < keyspace.partitions; partition++) {
      for await (const page of parkedPages(from, partition)) {
        yield page.flatMap(({ session, record }) => (session ? [{ session, record }] : []));
      }
    }
  }
}

async function retryPage(
  deps: AdminDeps,
  { consumer, pass, signal }: AdminPass,
  page: readonly { session: LocatedSession; record: ParkedRecord | undefined }[],
  report: SyncReport,
): Promise<void> {
  const { scripts } = deps;
  const first = page[0];
  if (!first) return;
  const { partition } = first.session;
  await Promise.all(page.map(({ session, record }) => makeDue(deps, session, record)));
  const keys = page.map(({ session }) => session.key);
  await scripts.sweep(partition, keys, { ignoreRetryAt: true });
  const headers = await Promise.all(page.map(({ session }) => readHeader(deps, session, 'retry')));
  const announced = headers.map((header) => header?.event ?? '');
  // Exactly their events, read by a consumer or not: the rest of the stream is not this operation's business.
  const batch = await claimEntries(deps, partition, announced.filter(isEvent), {
    consumer,
    minIdleMs: 0,
    includesUnread: true,
  });
  await pass.sync([batch], report, signal);
}

/**
 * `park` again with a record that is due: it checks in one step that the session is still dirty at this version, so
 * a record of a session that was synced meanwhile does not come back.
 */
async function makeDue(
  deps: AdminDeps,
  session: LocatedSession,
  record: ParkedRecord | undefined,
): Promise<void> {
  for (let attempts = 0; attempts < 3; attempts++) {
    const version = (await readHeader(deps, session, 'retry'))?.version ?? ABSENT_VERSION;
    const due = record ?? nextParkedRecord(undefined, { version, sqlState: 'LOCAL' }, 0);
    const outcome = await deps.scripts.park(session, {
      version,
      record: { ...due, retryAtMs: DUE },
      eventIds: [],
    });
    // Saved between the two: with the newer version, then.
    if (outcome !== 'superseded') return;
  }
}

async function outcomeOf(deps: AdminDeps, session: LocatedSession): Promise<RetriedSession> {
  const parked = await readParked(deps, session);
  const header = await readHeader(deps, session, 'retry');
  const sqlState = parked?.record?.sqlState;
  const isRefused = parked !== undefined && parked.record?.retryAtMs !== DUE;
  const outcome = isRefused ? 'parked' : header?.isDirty ? 'dirty' : header ? 'synced' : 'gone';
  return { ref: session.ref, outcome, sqlState };
}

function isEvent(id: string): boolean {
  return /^\d{1,19}-\d{1,19}$/.test(id);
}
