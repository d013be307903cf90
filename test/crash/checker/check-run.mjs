// The verdict over a run. Pure: what was recorded in, violations out.
import { checkOrder } from './check-order.mjs';
import { checkReads } from './check-reads.mjs';
import { checkRowHistory } from './check-row-history.mjs';
import { checkCache, checkRow } from './check-stores.mjs';
import { checkCounter, checkUpdates } from './check-updates.mjs';
import { forgetLostTail } from './forgotten-by-redis.mjs';
import { bySession } from './session-history.mjs';

/** Every kind of violation, in the order in which they are printed. */
export const kinds = [
  'lost',
  'wrong',
  'unexplained',
  'stale',
  'resurrected',
  'diverged',
  'went back',
  'lost update',
  'disordered',
  'parked',
  'conflicted',
  'stuck',
];

/**
 * @param {object} run
 * @param {import('../history.mjs').Call[]} run.calls
 * @param {Map<string, import('./check-stores.mjs').Row>} run.rows by session
 * @param {Map<string, import('./check-row-history.mjs').RowChange[]>} run.rowChanges by session
 * @param {Map<string, import('./check-stores.mjs').Cached>[]} run.caches what Redis held, each time it was looked at
 * @param {object[]} run.restarts of Redis
 * @param {number} run.parked sessions
 * @param {number} run.conflicts rows of the conflict table
 * @param {number} run.stillDirty sessions, 30 s after everything was healed
 * @param {(key: string) => number} run.partitionOf
 * @param {(key: string) => boolean} run.isCounter
 */
export function checkRun(run) {
  const violations = [];
  const forgotten = forgetLostTail(run.calls, run.restarts, run.partitionOf);
  const histories = bySession(run.calls);
  for (const history of histories) {
    const { key } = history;
    const report = (kind, what, evidence) => violations.push({ kind, key, what, evidence });
    const row = run.rows.get(key);
    checkRow(history, row, report);
    for (const cache of run.caches) checkCache(row, cache.get(key), report);
    checkOrder(history, report);
    checkReads(history, report);
    checkUpdates(history, report);
    if (run.isCounter(key)) checkCounter(history, row, report);
    checkRowHistory(history, run.rowChanges.get(key) ?? [], report);
  }
  const ofAll = (kind, count, what) => {
    if (count > 0) violations.push({ kind, key: '*', what: `${count} ${what}`, evidence: {} });
  };
  ofAll('parked', run.parked, 'sessions were parked, though PostgreSQL was only away (P9)');
  ofAll('stuck', run.stillDirty, 'sessions are still dirty 30 s after everything was healed');
  // Only a Redis that lost data can be older than PostgreSQL.
  if (forgotten === 0) ofAll('conflicted', run.conflicts, 'saves lost to a newer row');
  return { violations, forgotten, counts: count(run.calls) };
}

function count(calls) {
  const acknowledged = calls.filter(({ op, outcome }) => op !== 'load' && outcome === 'ok');
  return {
    acknowledged: acknowledged.length,
    clears: acknowledged.filter(({ op }) => op === 'clear').length,
    updates: acknowledged.filter(({ op }) => op === 'update').length,
    unknown: calls.filter(({ op, outcome }) => op !== 'load' && outcome === 'unknown').length,
    refused: calls.filter(({ op, outcome }) => op !== 'load' && outcome === 'fail').length,
    loads: calls.filter(({ op, outcome }) => op === 'load' && outcome === 'ok').length,
    failedLoads: calls.filter(({ op, outcome }) => op === 'load' && outcome === 'fail').length,
    sessions: new Set(calls.map(({ key }) => key)).size,
  };
}
