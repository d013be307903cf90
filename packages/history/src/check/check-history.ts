import type { Call, Write } from '../call.ts';
import type { StateHash } from '../state-hash.ts';
import { checkOrder } from './check-order.ts';
import { checkReads } from './check-reads.ts';
import { checkRowHistory, type RowChange } from './check-row-history.ts';
import { type Cached, checkCached, checkRow, type Row } from './check-stores.ts';
import { checkCounter, checkUpdates } from './check-updates.ts';
import { forgetLostTail, type RedisRestart } from './forget-lost-tail.ts';
import { mayMissIn } from './may-miss.ts';
import { arrange } from './session-history.ts';
import type { Violation, ViolationKind } from './violation.ts';

/** What was recorded, and what the stores hold once nothing is dirty. Maps are by session: `tenant:user`. */
export interface Evidence {
  readonly calls: readonly Call[];
  readonly rows: ReadonlyMap<string, Row>;
  /** What Redis held, each time it was looked at; the first time before anything was loaded again. */
  readonly cached: readonly ReadonlyMap<string, Cached>[];
  /** How far apart the clocks of the calls may be, µs. Default 0: one machine. */
  readonly clockSkewUs?: number;
  /** Rows of older versions may have been purged. Default '0': none. */
  readonly purgedBefore?: bigint;
  /** No session existed before the history began. Default false: the first load says what did. */
  readonly startsEmpty?: boolean;
  /** Every change of the rows, in the order of the commits. */
  readonly rowChanges?: ReadonlyMap<string, readonly RowChange[]>;
  /** Of sessions that are only updated: how many updates their rows have counted. */
  readonly counters?: ReadonlyMap<string, number>;
  /** States that were moved to unknown versions. */
  readonly restated?: ReadonlySet<StateHash>;
  readonly restarts?: readonly RedisRestart[];
  /**
   * PostgreSQL could not be asked while this call went on, so that it got what Redis had: it may have missed what
   * Redis lost and PostgreSQL kept. Default: never.
   */
  readonly isUnconfirmed?: (call: Call) => boolean;
  /** Needed with `restarts`. */
  readonly partitionOf?: (session: string) => number;
  /** Sessions that were parked, though PostgreSQL was only away. */
  readonly parked?: number;
  /** Rows of the conflict table. */
  readonly conflicts?: number;
  /** Sessions that are dirty though everything was healed long ago. */
  readonly stillDirty?: number;
}

export interface CallCounts {
  readonly acknowledged: number;
  /** Of the acknowledged. */
  readonly clears: number;
  readonly updates: number;
  /** Answered when a replica had it, or PostgreSQL. */
  readonly replicated: number;
  readonly committed: number;
  readonly unknown: number;
  readonly refused: number;
  readonly loads: number;
  readonly failedLoads: number;
  readonly sessions: number;
}

export interface Verdict {
  readonly violations: readonly Violation[];
  /** Acknowledged saves that a Redis had not written to its file, or passed on, when it was lost; they count as unknown. */
  readonly forgotten: number;
  readonly counts: CallCounts;
}

/** The verdict over a history. Pure: what was recorded in, violations out. */
export function checkHistory(evidence: Evidence): Verdict {
  const { rows, cached, clockSkewUs: skewUs = 0, purgedBefore = 0n, startsEmpty = false } = evidence;
  const { restarts = [], partitionOf = () => 0, restated = new Set() } = evidence;
  const { calls, forgotten, lostVersions } = forgetLostTail(evidence.calls, restarts, partitionOf);
  const violations: Violation[] = [];
  const acknowledged: Write[] = [];
  for (const [session, ofSession] of groupBySession(calls)) {
    const mayMiss = mayMissIn(lostVersions.get(session), evidence.isUnconfirmed);
    const history = arrange(session, ofSession, {
      startsEmpty,
      restated,
      mayBeReissued: forgotten > 0,
    });
    const report = (kind: ViolationKind, what: string, found: Violation['evidence']): void => {
      violations.push({ kind, session, what, evidence: found });
    };
    for (const write of history.acknowledged) acknowledged.push(write);
    const row = rows.get(session);
    const atRest = cached[0]?.get(session);
    checkRow(history, isAhead(atRest) ? atRest : row, purgedBefore, report);
    for (const moment of cached) checkCached(row, moment.get(session), purgedBefore, report);
    checkOrder(history, skewUs, report);
    checkReads(history, { skewUs, purgedBefore, mayMiss }, report);
    checkUpdates(history, { purgedBefore, mayMiss }, report);
    const counter = evidence.counters?.get(session);
    if (counter !== undefined) checkCounter(history, { counter, mayMiss }, report);
    checkRowHistory(history, evidence.rowChanges?.get(session) ?? [], report);
  }
  const ofAll = (kind: ViolationKind, count: number, what: string): void => {
    if (count > 0) violations.push({ kind, session: '*', what: `${count} ${what}`, evidence: {} });
  };
  ofAll('parked', evidence.parked ?? 0, 'sessions were parked, though PostgreSQL was only away (P9)');
  ofAll('stuck', evidence.stillDirty ?? 0, 'sessions are still dirty, though everything was healed');
  // Only a Redis that lost data can be older than PostgreSQL.
  if (forgotten === 0) ofAll('conflicted', evidence.conflicts ?? 0, 'saves lost to a newer row');
  return { violations, forgotten, counts: countCalls(calls, acknowledged) };
}

/** Whether PostgreSQL is meant to be behind: then the promise is kept by what Redis holds. */
function isAhead(cached: Cached | undefined): boolean {
  return cached?.sync === 'dirty' || cached?.sync === 'parked';
}

function groupBySession(calls: readonly Call[]): Map<string, Call[]> {
  const groups = new Map<string, Call[]>();
  for (const call of calls) {
    const group = groups.get(call.session);
    if (group) group.push(call);
    else groups.set(call.session, [call]);
  }
  return groups;
}

function countCalls(calls: readonly Call[], acknowledged: readonly Write[]): CallCounts {
  const count = (test: (call: Call) => boolean, among = calls): number =>
    among.reduce((sum, call) => sum + Number(test(call)), 0);
  const isLoad = ({ op }: Call): boolean => op === 'load';
  return {
    acknowledged: acknowledged.length,
    clears: count(({ op }) => op === 'clear', acknowledged),
    updates: count(({ op }) => op === 'update', acknowledged),
    replicated: count(({ durability }) => durability === 'replica', acknowledged),
    committed: count(({ durability }) => durability === 'postgres', acknowledged),
    unknown: count((call) => !isLoad(call) && call.outcome === 'unknown'),
    refused: count((call) => !isLoad(call) && call.outcome === 'fail'),
    loads: count((call) => isLoad(call) && call.outcome === 'ok'),
    failedLoads: count((call) => isLoad(call) && call.outcome === 'fail'),
    sessions: new Set(calls.map(({ session }) => session)).size,
  };
}
