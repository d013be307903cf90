// A load that began after a write was acknowledged, or after another load had seen it, returns it or a newer one.
import { isExplained, isUncertain } from './session-history.mjs';

/** @param {import('./session-history.mjs').SessionHistory} history */
export function checkReads(history, report) {
  const known = [...history.acknowledged, ...history.reads.filter(({ found }) => found)];
  known.sort((a, b) => a.endUs - b.endUs);
  let floor;
  let ended = 0;
  for (const read of history.reads) {
    for (; ended < known.length && known[ended].endUs < read.startUs; ended++) {
      if (!floor || known[ended].version > floor.version) floor = known[ended];
    }
    if (read.found) checkFound(history, read, floor, report);
    else if (floor && floor.op !== 'clear' && !mayBeCleared(history, read, floor)) {
      report('stale', 'a load found no session', { read, floor });
    }
  }
}

function checkFound(history, read, floor, report) {
  const isOld =
    floor && (read.version < floor.version || (read.version === floor.version && floor.op === 'clear'));
  if (isOld) report(floor.op === 'clear' ? 'resurrected' : 'stale', 'by a load', { read, floor });
  else if (!isExplained(history, read)) report('wrong', 'nobody saved what a load found', { read });
}

/** Whether some clear could have come between what was known and the end of the load. */
function mayBeCleared({ writes }, read, floor) {
  return writes.some(
    (call) =>
      call.op === 'clear' &&
      call.startUs < read.endUs &&
      (isUncertain(call) || (call.outcome === 'ok' && call.version > floor.version)),
  );
}
