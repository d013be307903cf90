// The row's version never goes down, and the row is never deleted (P3).
import type { StateHash } from '../state-hash.ts';
import { isExplained, type SessionHistory } from './session-history.ts';
import type { Report } from './violation.ts';

export interface RowChange {
  readonly operation: 'INSERT' | 'UPDATE' | 'DELETE';
  readonly version: bigint;
  /** null: a tombstone. Undefined: nobody made such a state. */
  readonly state: StateHash | null | undefined;
}

/** @param changes in the order in which they were committed */
export function checkRowHistory(
  history: SessionHistory,
  changes: readonly RowChange[],
  report: Report,
): void {
  let before: RowChange | undefined;
  for (const change of changes) {
    const { operation, version, state } = change;
    if (operation === 'DELETE') report('went back', 'the row was deleted', { change });
    else if (before && version <= before.version) {
      report('went back', 'the row got an older version', { before, change });
    }
    if (operation !== 'DELETE' && (state === undefined || !isExplained(history, { version, state }))) {
      report('wrong', 'nobody saved what the row held', { change });
    }
    before = change;
  }
}
