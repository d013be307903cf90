import {
  classifyPostgresFailure,
  mayBeOneRow,
  type PostgresFailure,
  type Queries,
  type SessionRow,
} from '@cauce/postgres';
import type { CircuitBreaker } from '../postgres/circuit-breaker.ts';
import type { ParkLimiter } from '../postgres/park-limiter.ts';
import type { Fate } from './fate.ts';
import { shuffled } from './shuffled.ts';

export interface UpsertDeps {
  /** Monotonic clock, ms. */
  readonly now: () => number;
  readonly queries: Pick<Queries, 'upsertSessions' | 'selectLockedSessions' | 'ping'>;
  readonly circuit: CircuitBreaker;
  readonly parkLimiter: ParkLimiter;
  /** Called for each failed statement. */
  readonly onFailure: (failure: PostgresFailure) => void;
  /** Called for each statement that was committed. */
  readonly onStatement: (rows: number, durationMs: number) => void;
}

export interface UpsertedBatch<Row> {
  readonly fates: readonly Fate<'written' | 'parked' | 'postponed' | 'expired', Row>[];
  /** Not written: the row in PostgreSQL is as new or newer, or a trigger keeps it out without an error. */
  readonly outdated: readonly Row[];
}

/** After this many broken connections over the same rows, while others get through, the rows are suspect. */
const SUSPECT_AFTER_BREAKS = 3;
/** SQLSTATE of a wait that reached lock_timeout. */
const LOCK_TIMEOUT = '55P03';
/** A row that runs out of time so often by itself waits for a later batch. */
const POSTPONE_AFTER_TIMEOUTS = 3;
/**
 * A state that was taken longer ago than this is not written, ms. A Redis that lost data since may have gone back
 * behind it; what still comes from before such a loss comes soon (and Redis counts on it: see open-partition.lua).
 * It is also newer when it is taken again.
 */
const MAX_TAKEN_AGE_MS = 20_000;
/** With the parkLimiter open so many refused rows are found in a batch; the rest of it is not tried this time. */
const REFUSALS_WHILE_OPEN = 5;

/**
 * Writes the rows, and returns only when each is written, found outdated, refused alone, or has to wait alone (P9).
 *
 * While PostgreSQL is away or misconfigured it waits at the circuit, however long; nothing is parked for that. A code
 * that speaks of the table is taken for the table's only if the statement fails without a row as well.
 * A refused statement is halved until the refused row is alone: at most 2·log2(n)+1 statements for one bad
 * row among n. Rows that another transaction holds locked are taken out of the batch.
 *
 * Call it right after the rows were taken.
 *
 * @throws AbortError when the signal is aborted while it waits; rows not yet written stay announced
 */
export async function upsertBatch<Row extends SessionRow & { parked?: unknown }>(
  deps: UpsertDeps,
  rows: readonly Row[],
  signal: AbortSignal,
): Promise<UpsertedBatch<Row>> {
  const { now, queries, circuit, parkLimiter, onFailure, onStatement } = deps;
  const fates: Fate<'written' | 'parked' | 'postponed' | 'expired', Row>[] = [];
  const outdated: Row[] = [];
  let refusalsWhileOpen = 0;
  const takenAtMs = now();

  // While refused rows end a batch early, another order each time lets every row have its turn.
  const inOrder = parkLimiter.isOpen ? shuffled(rows) : rows;
  const waiting: Attempt<Row>[] = inOrder.length > 0 ? [{ rows: inOrder, breaks: 0, timeouts: 0 }] : [];
  for (let attempt = waiting.pop(); attempt; attempt = waiting.pop()) {
    await circuit.enter(signal);
    const startedAtMs = now();
    if (startedAtMs - takenAtMs > MAX_TAKEN_AGE_MS) {
      for (const row of attempt.rows) fates.push({ outcome: 'expired', row });
      // It may have been let in to try.
      if (!circuit.isUp) await probe();
      continue;
    }
    try {
      const writtenNow = new Set(await queries.upsertSessions(attempt.rows));
      onStatement(attempt.rows.length, now() - startedAtMs);
      parkLimiter.sawRows(attempt.rows.length);
      circuit.succeeded();
      for (const row of attempt.rows) {
        if (writtenNow.has(row)) fates.push({ outcome: 'written', row });
        else outdated.push(row);
      }
    } catch (error) {
      const failure = await judged(classifyPostgresFailure(error));
      onFailure(failure);
      await handleFailure(attempt, failure);
    }
  }
  return { fates, outdated };

  async function probe(): Promise<void> {
    try {
      await queries.ping();
      circuit.succeeded();
    } catch (error) {
      const failure = classifyPostgresFailure(error);
      circuit.failed(failure.class === 'refused' ? { ...failure, class: 'transient' } : failure);
    }
  }

  async function judged(failure: PostgresFailure): Promise<PostgresFailure> {
    if (!mayBeOneRow(failure)) return failure;
    try {
      await queries.upsertSessions([]);
      return { ...failure, class: 'refused' };
    } catch {
      return failure;
    }
  }

  async function handleFailure(attempt: Attempt<Row>, failure: PostgresFailure): Promise<void> {
    // A break counts while others get through: an outage says nothing about the rows. Without a SQLSTATE it may be
    // the connection after all.
    const mayBeRows = failure.isSocket || failure.code === 'LOCAL';
    const canOthers = mayBeRows && failure.class !== 'misconfigured' && (await answers());
    const breaks = failure.isSocket && canOthers ? attempt.breaks + 1 : 0;
    const isSuspect = mayBeRows
      ? canOthers && (!failure.isSocket || breaks >= SUSPECT_AFTER_BREAKS)
      : failure.class === 'refused';
    // Undefined: the table is locked, not a row. None: a row that cannot be seen yet, somebody inserts it.
    const locked = failure.code === LOCK_TIMEOUT ? await lockedRows(attempt.rows) : undefined;
    const isTooLong = failure.isTimeout || (failure.code === 'QUERY_TIMEOUT' && (await answers()));
    const timeouts = isTooLong ? attempt.timeouts + 1 : 0;

    if (locked !== undefined && locked.length > 0) {
      circuit.succeeded();
      postpone(locked);
      const free = attempt.rows.filter((row) => !locked.includes(row));
      if (free.length > 0) waiting.push({ rows: free, breaks: 0, timeouts: 0 });
    } else if (attempt.rows.length > 1 && (isSuspect || isTooLong || locked !== undefined)) {
      circuit.succeeded();
      const half = Math.ceil(attempt.rows.length / 2);
      waiting.push({ rows: attempt.rows.slice(half), breaks: 0, timeouts: 0 });
      waiting.push({ rows: attempt.rows.slice(0, half), breaks: 0, timeouts: 0 });
    } else if (locked !== undefined || timeouts >= POSTPONE_AFTER_TIMEOUTS) {
      circuit.succeeded();
      postpone(attempt.rows);
    } else if (isSuspect) {
      circuit.succeeded();
      refuse(attempt.rows[0] as Row, failure.code);
    } else {
      circuit.failed(failure.class === 'refused' ? { ...failure, class: 'transient' } : failure);
      waiting.push({ rows: attempt.rows, breaks, timeouts });
    }
  }

  function refuse(row: Row, sqlState: string): void {
    // A row that is parked already says nothing new about the table.
    if (row.parked !== undefined || parkLimiter.mayPark()) {
      fates.push({ outcome: 'parked', row, sqlState });
      return;
    }
    postpone([row]);
    refusalsWhileOpen++;
    if (refusalsWhileOpen >= REFUSALS_WHILE_OPEN) postpone(waiting.splice(0).flatMap((one) => one.rows));
  }

  function postpone(later: readonly Row[]): void {
    for (const row of later) fates.push({ outcome: 'postponed', row });
  }

  async function lockedRows(among: readonly Row[]): Promise<Row[] | undefined> {
    try {
      return await queries.selectLockedSessions(among);
    } catch {
      // The table itself is locked, or PostgreSQL went away: the upsert will tell.
      return undefined;
    }
  }

  async function answers(): Promise<boolean> {
    try {
      await queries.ping();
      return true;
    } catch {
      return false;
    }
  }
}

interface Attempt<Row> {
  readonly rows: readonly Row[];
  /** How often in a row the connection broke over exactly these rows while others got through. */
  readonly breaks: number;
  /** How often in a row exactly these rows ran out of time. */
  readonly timeouts: number;
}
