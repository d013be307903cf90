// A load that began after a write was acknowledged, or after another load had seen it, returns it or a newer one.
import type { Call, Write } from '../call.ts';
import { latest } from './latest.ts';
import type { MayMiss } from './may-miss.ts';
import { isExplained, isKnown, newestVersionOf, type Read, type SessionHistory } from './session-history.ts';
import type { Report } from './violation.ts';

export function checkReads(
  history: SessionHistory,
  {
    skewUs,
    purgedBefore,
    mayMiss,
  }: { readonly skewUs: number; readonly purgedBefore: bigint; readonly mayMiss: MayMiss },
  report: Report,
): void {
  const known = [...history.acknowledged, ...history.reads.filter(isKnown)];
  const floorAt = latest(known, skewUs);
  for (const read of history.reads) {
    const newest = floorAt(read.startUs);
    const floor = newest && mayMiss(read, newest) ? newestKept(known, read, { skewUs, mayMiss }) : newest;
    if (read.state !== null) checkFound(history, read, floor, report);
    else if (
      floor &&
      floor.state !== null &&
      floor.version >= purgedBefore &&
      !mayBeCleared(history, read, floor, skewUs)
    ) {
      report('stale', 'a load found no session', { read, floor });
    }
  }
}

/** The newest of those that the load cannot have missed. */
function newestKept<Ended extends Call & { readonly version: bigint }>(
  known: readonly Ended[],
  read: Read,
  { skewUs, mayMiss }: { readonly skewUs: number; readonly mayMiss: MayMiss },
): Ended | undefined {
  const kept = known.filter((call) => !mayMiss(read, call));
  return latest(kept, skewUs)(read.startUs);
}

function checkFound(history: SessionHistory, read: Read, floor: Write | undefined, report: Report): void {
  const version = newestVersionOf(history, read);
  const isCleared = floor?.op === 'clear';
  if (
    floor &&
    version !== undefined &&
    (version < floor.version || (version === floor.version && isCleared))
  ) {
    report(isCleared ? 'resurrected' : 'stale', 'by a load', { read, floor });
  } else if (!isExplained(history, read)) report('wrong', 'nobody saved what a load found', { read });
}

/** Whether some clear could have come between what was known and the end of the load. */
function mayBeCleared({ writes }: SessionHistory, read: Read, floor: Write, skewUs: number): boolean {
  return writes.some(
    (call) =>
      call.op === 'clear' &&
      call.startUs < read.endUs + skewUs &&
      (call.outcome === 'unknown' || (call.version !== undefined && call.version > floor.version)),
  );
}
