// After healing: what PostgreSQL and Redis hold against what was acknowledged.
import { isDeepStrictEqual } from 'node:util';
import { isExplained } from './session-history.mjs';

/**
 * @typedef {{ version: bigint, found: object | null }} Row found null: a tombstone
 * @typedef {Row & { isDirty: boolean, ttlMs: number }} Cached
 */

/**
 * @param {import('./session-history.mjs').SessionHistory} history
 * @param {Row | undefined} row
 */
export function checkRow(history, row, report) {
  const { newest } = history;
  if (!row) {
    if (newest) report('lost', 'acknowledged, and there is no row', { newest });
    return;
  }
  if (newest && row.version < newest.version) {
    report('lost', 'the row is older than the newest acknowledged save', { newest, row });
  } else if (!isExplained(history, row)) {
    const isBack = newest?.op === 'clear' && row.found !== null;
    report(isBack ? 'resurrected' : newest?.version === row.version ? 'wrong' : 'unexplained', 'in the row', {
      newest,
      row,
    });
  }
}

/** @param {Row | undefined} row @param {Cached | undefined} cached */
export function checkCache(row, cached, report) {
  if (!cached) return;
  if (cached.isDirty) report('diverged', 'dirty, though nothing is announced', { row, cached });
  else if (cached.version !== row?.version || !isDeepStrictEqual(cached.found, row.found)) {
    const isBack = row?.found === null && cached.found !== null;
    report(isBack ? 'resurrected' : 'diverged', 'Redis and PostgreSQL do not agree', { row, cached });
  } else if (cached.ttlMs < 0) report('diverged', 'clean, and never expires', { row, cached });
}
