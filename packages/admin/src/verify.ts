import type { LocatedSession, SessionRef, Version } from '@cauce/protocol';
import { MAX_BATCH_BYTES, scanSessions } from '@cauce/sync-consumer/internal';
import type { AdminDeps } from './admin-deps.ts';
import { checkTable } from './check-table.ts';
import { type ComparedRow, compareRows, type Difference } from './compare-rows.ts';
import { type HeldSession, partsByBytes, readSessions } from './read-sessions.ts';
import { type Repair, repairSession } from './repair-session.ts';

export interface VerifyOptions {
  /** Most sessions compared by one statement. */
  readonly batchRows: number;
  /** How long a session that adopted its row stays in Redis, ms. */
  readonly sessionTtlMs: number;
  /** A row nobody saved for longer may have been purged, and does not count as missing, days. */
  readonly historyDays: number;
  /** Repair the differences. Default false. */
  readonly isRepairing?: boolean;
  /** With `isRepairing`: say what would be done, change nothing. Default false. */
  readonly isDryRun?: boolean;
  /** Most differences returned one by one; all are counted. Default 20. */
  readonly maxDifferences?: number;
  readonly signal?: AbortSignal | undefined;
  /** Called after each batch. */
  readonly onProgress?: (done: { readonly checked: number; readonly different: number }) => void;
}

export interface FoundDifference {
  readonly ref: SessionRef;
  readonly difference: Difference;
  /** Undefined when what Redis holds cannot be read. */
  readonly redisVersion: Version | undefined;
  /** Undefined when there is no row. */
  readonly rowVersion: Version | undefined;
  /** Undefined when nothing was repaired. */
  readonly repair: Repair | undefined;
}

export interface VerifyResult {
  readonly isRepairing: boolean;
  readonly isDryRun: boolean;
  /** Clean sessions that were compared with their row. */
  readonly checked: number;
  /** Not compared: PostgreSQL does not have their newest version yet. */
  readonly dirty: number;
  /** Clean, and its row was purged with the history. */
  readonly purged: number;
  readonly different: number;
  readonly byDifference: Readonly<Record<Difference, number>>;
  readonly byRepair: Readonly<Record<Repair, number>>;
  /** The first of them; never a state. */
  readonly differences: readonly FoundDifference[];
}

/** How often both stores are read again before a difference counts. */
const CONFIRMATIONS = 2;
const DAY_MS = 86_400_000;

type CleanSession = Extract<HeldSession, { kind: 'clean' }>;
type Clean = CleanSession['row'] & Pick<CleanSession, 'session'>;

/**
 * Compares every clean session in Redis with its row. A difference counts only if it is still there when both are
 * read again: a save or a sync may have come between.
 *
 * @throws LayoutMismatchError, TableMismatchError, RedisError, PostgresError, AbortError; it can be run again at any
 *   time
 */
export async function verify(deps: AdminDeps, options: VerifyOptions): Promise<VerifyResult> {
  const { redis, queries, wallClockMs } = deps;
  const { batchRows, historyDays, isRepairing = false, isDryRun = false, maxDifferences = 20 } = options;
  const { sessionTtlMs: ttlMs, signal, onProgress } = options;
  const byDifference = { missing: 0, older_row: 0, newer_row: 0, other_state: 0, unreadable: 0 };
  const byRepair = { reissued: 0, adopted: 0, superseded: 0, none: 0 };
  const differences: FoundDifference[] = [];
  let [checked, dirty, purged, different] = [0, 0, 0, 0];
  await checkTable(deps);

  for await (const page of scanSessions(deps, batchRows)) {
    for await (const part of partsByBytes(redis, page, MAX_BATCH_BYTES)) {
      signal?.throwIfAborted();
      await check(part);
      onProgress?.({ checked, different });
    }
  }
  return { isRepairing, isDryRun, checked, dirty, purged, different, byDifference, byRepair, differences };

  async function check(sessions: readonly LocatedSession[]): Promise<void> {
    const held = await readSessions(redis, sessions);
    const clean = held.flatMap(toClean);
    checked += clean.length;
    dirty += held.filter(({ kind }) => kind === 'dirty').length;
    for (const { session } of held.filter(({ kind }) => kind === 'unreadable')) {
      await count({
        ref: session.ref,
        difference: 'unreadable',
        redisVersion: undefined,
        rowVersion: undefined,
      });
    }
    const suspects = await compareRows(queries, clean);
    for (const found of await confirm(suspects)) {
      const { row, difference, rowVersion } = found;
      // A row outlives its session's stay in Redis, except when an old session was only read.
      if (difference === 'missing' && Number(row.version) / 1000 < wallClockMs() - historyDays * DAY_MS)
        purged++;
      else await count({ ref: row.ref, difference, redisVersion: row.version, rowVersion }, found);
    }
  }

  async function confirm(suspects: readonly ComparedRow<Clean>[]): Promise<readonly ComparedRow<Clean>[]> {
    let confirmed = suspects;
    for (let time = 0; time < CONFIRMATIONS && confirmed.length > 0; time++) {
      const again = await readSessions(
        redis,
        confirmed.map(({ row }) => row.session),
      );
      confirmed = await compareRows(queries, again.flatMap(toClean));
    }
    return confirmed;
  }

  async function count(
    difference: Omit<FoundDifference, 'repair'>,
    found?: ComparedRow<Clean>,
  ): Promise<void> {
    different++;
    byDifference[difference.difference]++;
    let repair: Repair | undefined;
    if (isRepairing && !isDryRun) {
      repair = found ? await repairSession(deps, found.row.session, found, { ttlMs }) : 'none';
      byRepair[repair]++;
    }
    if (differences.length < maxDifferences) differences.push({ ...difference, repair });
  }
}

function toClean(held: HeldSession): Clean[] {
  return held.kind === 'clean' ? [{ ...held.row, session: held.session }] : [];
}
