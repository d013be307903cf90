import { MAX_SCRIPT_BYTES } from '@cauce/protocol';
import { classifyPostgresFailure, type PostgresFailure } from '../postgres/classify-failure.ts';
import type { PostgresGate } from '../postgres/gate.ts';
import type { ParkingBreaker } from '../postgres/parking-breaker.ts';
import type { Queries, SessionRow } from '../postgres/queries.ts';

export interface UpsertDeps {
  readonly queries: Pick<Queries, 'upsertSessions' | 'ping'>;
  readonly gate: PostgresGate;
  readonly breaker: ParkingBreaker;
  /** Told of each failed statement. */
  readonly onFailure: (failure: PostgresFailure) => void;
  /** Told of each statement that was committed. */
  readonly onStatement: (rows: number, durationMs: number) => void;
}

export interface UpsertedBatch<Row> {
  readonly written: readonly Row[];
  /** The row in PostgreSQL is as new or newer. */
  readonly outdated: readonly Row[];
  /** PostgreSQL refuses this row alone: park it. */
  readonly refused: readonly { readonly row: Row; readonly sqlState: string }[];
}

/** After this many broken connections over the same rows, while others get through, the rows are suspect. */
const SUSPECT_AFTER_BREAKS = 3;

/**
 * Writes the rows, and comes back only when each is written, found outdated, or refused by itself (P9).
 *
 * While PostgreSQL is away or misconfigured it waits at the gate, however long; nothing is parked for that.
 * A refused statement is halved until the refused row stands alone: at most 2·log2(n)+1 statements for one bad
 * row among n. When too many are refused the breaker opens, and this waits like for any other fault.
 *
 * @throws AbortError when the signal is aborted while it waits; rows not yet written stay announced
 */
export async function upsertBatch<Row extends SessionRow & { parked?: unknown }>(
  deps: UpsertDeps,
  rows: readonly Row[],
  signal: AbortSignal,
): Promise<UpsertedBatch<Row>> {
  const { queries, gate, breaker, onFailure, onStatement } = deps;
  const written: Row[] = [];
  const outdated: Row[] = [];
  const refused: { row: Row; sqlState: string }[] = [];

  const waiting: Attempt<Row>[] = splitByBytes(rows, MAX_SCRIPT_BYTES)
    .reverse()
    .map((chunk) => ({ rows: chunk, breaks: 0, wasHeldByBreaker: false }));
  for (let attempt = waiting.pop(); attempt; attempt = waiting.pop()) {
    await gate.enter(signal);
    const startedAtMs = performance.now();
    try {
      const writtenNow = new Set(await queries.upsertSessions(attempt.rows));
      onStatement(attempt.rows.length, performance.now() - startedAtMs);
      breaker.sawRows(attempt.rows.length);
      if (attempt.wasHeldByBreaker) breaker.close();
      gate.succeeded();
      for (const row of attempt.rows) (writtenNow.has(row) ? written : outdated).push(row);
    } catch (error) {
      const failure = classifyPostgresFailure(error);
      onFailure(failure);
      await handleFailure(attempt, failure);
    }
  }
  return { written, outdated, refused };

  async function handleFailure(attempt: Attempt<Row>, failure: PostgresFailure): Promise<void> {
    // A break counts while others get through: an outage says nothing about the rows. Without a SQLSTATE it may be
    // the connection after all.
    const mayBeRows = failure.isSocket || failure.code === 'LOCAL';
    const canOthers = mayBeRows && failure.class !== 'misconfigured' && (await answers());
    const breaks = failure.isSocket && canOthers ? attempt.breaks + 1 : 0;
    const isSuspect = mayBeRows
      ? canOthers && (!failure.isSocket || breaks >= SUSPECT_AFTER_BREAKS)
      : failure.class === 'refused';
    if (attempt.rows.length > 1 && (isSuspect || failure.isTimeout)) {
      gate.succeeded();
      const half = Math.ceil(attempt.rows.length / 2);
      waiting.push({ ...attempt, rows: attempt.rows.slice(half), breaks: 0 });
      waiting.push({ ...attempt, rows: attempt.rows.slice(0, half), breaks: 0 });
    } else if (isSuspect) {
      const row = attempt.rows[0] as Row;
      // A row that is parked already says nothing new about the table.
      if (row.parked !== undefined || breaker.mayPark()) {
        gate.succeeded();
        refused.push({ row, sqlState: failure.code });
      } else {
        gate.failed({
          ...failure,
          class: 'misconfigured',
          summary: `too many rows are refused: ${failure.summary}`,
        });
        waiting.push({ ...attempt, wasHeldByBreaker: true });
      }
    } else {
      gate.failed(failure.class === 'refused' ? { ...failure, class: 'transient' } : failure);
      waiting.push({ ...attempt, breaks });
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
  readonly wasHeldByBreaker: boolean;
}

/** Pure. */
function splitByBytes<Row extends SessionRow>(rows: readonly Row[], maxBytes: number): Row[][] {
  const chunks: Row[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const row of rows) {
    const size = row.state?.length ?? 0;
    if (bytes + size > maxBytes) {
      chunks.push([]);
      bytes = 0;
    }
    chunks.at(-1)?.push(row);
    bytes += size;
  }
  return chunks;
}
