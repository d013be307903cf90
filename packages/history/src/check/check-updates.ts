// Compare-and-set: a conditional write that was acknowledged changed exactly the state before it.
import type { Write } from '../call.ts';
import type { MayMiss } from './may-miss.ts';
import type { SessionHistory } from './session-history.ts';
import type { Report } from './violation.ts';

export function checkUpdates(
  history: SessionHistory,
  { purgedBefore, mayMiss }: { readonly purgedBefore: bigint; readonly mayMiss: MayMiss },
  report: Report,
): void {
  const { acknowledged } = history;
  for (const [i, write] of acknowledged.entries()) {
    // It may have missed the nearest ones, or seen them.
    let at = i - 1;
    while (isLost(history, write, acknowledged[at], purgedBefore)) {
      const before = acknowledged[at--];
      if (before && mayMiss(write, before)) continue;
      report('lost update', 'what was saved meanwhile is gone', { before, write });
      break;
    }
  }
}

function isLost(
  history: SessionHistory,
  write: Write,
  before: Write | undefined,
  purgedBefore: bigint,
): boolean {
  if (before && before.version < purgedBefore) return false;
  if (write.op === 'update') return !standsOn(history, write, before);
  if (before === undefined || write.ifVersion === undefined) return false;
  if (write.ifVersion > 0n) return before.version > write.ifVersion;
  // '0' is of a session that is in neither store, or was cleared: perhaps by a clear that got no answer.
  return before.state !== null && !history.saved.get(null)?.isUncertain;
}

function standsOn(
  { saved, startsEmpty }: SessionHistory,
  { base = null }: Write,
  before: Write | undefined,
): boolean {
  if (base === (before ? before.state : null) || saved.get(base)?.isUncertain) return true;
  return before === undefined && !startsEmpty;
}

/** For a session that is only updated: its counter is the number of updates that were applied. */
export function checkCounter(
  { acknowledged, writes }: SessionHistory,
  { counter, mayMiss }: { readonly counter: number; readonly mayMiss: MayMiss },
  report: Report,
): void {
  const unknown = writes.filter(({ outcome }) => outcome === 'unknown').length;
  const missed = acknowledged.filter((write) => acknowledged.some((later) => mayMiss(later, write))).length;
  if (counter < acknowledged.length - missed || counter > acknowledged.length + unknown) {
    report('lost update', 'the counter does not add up', {
      counter,
      acknowledged: acknowledged.length,
      unknown,
    });
  }
}
