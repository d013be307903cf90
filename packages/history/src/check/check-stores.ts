// At rest: what PostgreSQL and Redis hold against what was acknowledged.
import type { StateHash } from '../state-hash.ts';
import { isExplained, isKnown, type Known, type SessionHistory } from './session-history.ts';
import type { Report } from './violation.ts';

export interface Row {
  readonly version: bigint;
  /** null: a tombstone. */
  readonly state: StateHash | null;
}

export interface Cached extends Row {
  /** `dirty`: and the dirty index has it; `forgotten`: dirty, and no consumer will ever know. */
  readonly sync: 'clean' | 'dirty' | 'parked' | 'forgotten';
  /** Negative: never expires. */
  readonly ttlMs: number;
}

/**
 * @param held the row; where PostgreSQL is behind, the dirty session
 * @param purgedBefore a row of an older version may have been purged
 */
export function checkRow(
  history: SessionHistory,
  held: Row | undefined,
  purgedBefore: bigint,
  report: Report,
): void {
  const { newest } = history;
  const seen = newestSeen(history);
  if (!held) {
    if (newest && newest.version >= purgedBefore)
      report('lost', 'acknowledged, and there is no row', { newest });
  } else if (newest && held.version < newest.version) {
    report('lost', 'the row is older than the newest acknowledged save', { newest, row: held });
  } else if (seen && held.version < seen.version) {
    report('lost', 'the row is older than what a load found', { read: seen, row: held });
  } else if (!isExplained(history, held) && !isPast(history, held)) {
    const isBack = newest?.op === 'clear' && held.state !== null;
    const kind = isBack ? 'resurrected' : newest?.version === held.version ? 'wrong' : 'unexplained';
    report(kind, 'in the row', { newest, row: held });
  }
}

/** A session that was written before the history began, and not since. */
function isPast({ startsEmpty, newest, past, saved }: SessionHistory, held: Row): boolean {
  return !startsEmpty && !newest && !past && !saved.has(held.state);
}

function newestSeen({ reads }: SessionHistory): Known | undefined {
  let newest: Known | undefined;
  for (const read of reads) {
    if (isKnown(read) && (!newest || read.version > newest.version)) newest = read;
  }
  return newest;
}

export function checkCached(
  row: Row | undefined,
  cached: Cached | undefined,
  purgedBefore: bigint,
  report: Report,
): void {
  if (!cached) return;
  if (cached.sync === 'dirty') report('stuck', 'still dirty', { row, cached });
  else if (cached.sync === 'parked') report('parked', 'PostgreSQL refuses it', { row, cached });
  else if (cached.sync === 'forgotten')
    report('diverged', 'dirty, though nothing is announced', { row, cached });
  else if (!row && cached.version < purgedBefore) return;
  else if (cached.version !== row?.version || cached.state !== row.state) {
    const isBack = row?.state === null && cached.state !== null;
    report(isBack ? 'resurrected' : 'diverged', 'Redis and PostgreSQL do not agree', { row, cached });
  } else if (cached.ttlMs < 0) report('diverged', 'clean, and never expires', { row, cached });
}
