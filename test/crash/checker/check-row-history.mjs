// The row's version never goes down, and the row is never deleted (P3).
import { isExplained } from './session-history.mjs';

/**
 * @typedef {{ operation: string, version: bigint, n: string | null, isTombstone: boolean }} RowChange
 * @param {import('./session-history.mjs').SessionHistory} history
 * @param {RowChange[]} changes in the order in which they were committed
 */
export function checkRowHistory(history, changes, report) {
  let before;
  for (const change of changes) {
    if (change.operation === 'DELETE') report('went back', 'the row was deleted', { change });
    else if (before && change.version <= before.version) {
      report('went back', 'the row got an older version', { before, change });
    }
    if (change.operation !== 'DELETE' && !isWritten(history, change)) {
      report('wrong', 'nobody saved what the row held', { change });
    }
    before = change;
  }
}

function isWritten(history, { version, n, isTombstone }) {
  if (isTombstone) return isExplained(history, { version, found: null });
  const call = history.byName.get(n);
  if (!call) return false;
  // Only the writer's name is kept here; that the state is whole is checked in the last one.
  const attempt = call.op === 'update' ? call.attempts.at(-1) : { base: null, counter: 0 };
  return isExplained(history, { version, found: { n, isWhole: true, ...attempt } });
}
