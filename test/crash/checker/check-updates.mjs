// Compare-and-set: an update that was acknowledged changed exactly what stood before it.
import { isUncertain } from './session-history.mjs';

/** @param {import('./session-history.mjs').SessionHistory} history */
export function checkUpdates({ acknowledged, byName, writes }, report) {
  for (const [i, update] of acknowledged.entries()) {
    if (update.op !== 'update') continue;
    const before = acknowledged[i - 1];
    const { base } = update.attempts.at(-1);
    const read = base === null ? undefined : byName.get(base);
    if (read && (isUncertain(read) || read === before)) continue;
    const isOverNothing =
      base === null &&
      (!before || before.op === 'clear' || writes.some((call) => call.op === 'clear' && isUncertain(call)));
    if (!isOverNothing) report('lost update', 'what was saved meanwhile is gone', { before, update });
  }
}

/**
 * For a session that is only updated: its counter is the number of updates that were applied.
 * @param {import('./session-history.mjs').SessionHistory} history
 */
export function checkCounter({ acknowledged, writes }, row, report) {
  const unknown = writes.filter(({ outcome }) => outcome === 'unknown').length;
  const counter = row?.found?.counter ?? 0;
  if (counter < acknowledged.length || counter > acknowledged.length + unknown) {
    report('lost update', 'the counter does not add up', {
      counter,
      acknowledged: acknowledged.length,
      unknown,
    });
  }
}
