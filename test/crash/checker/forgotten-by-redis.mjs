// What a Redis that was killed had acknowledged and not yet written to its append-only file.

/** Redis puts a write off for two seconds at most. */
const LONGEST_TAIL_US = 2_500_000;

/**
 * The version floor of a partition is written with every save, so a floor below an acknowledged version means that
 * Redis lost the end of its file. Whether such a save reached PostgreSQL before is not known: its outcome becomes
 * `unknown`, and what loads saw of it no longer counts.
 *
 * @param {import('../history.mjs').Call[]} calls changed in place
 * @param {{ killedUs: number, floors: (string | null)[], isCut: boolean }[]} restarts
 * @returns how many acknowledged writes were forgotten
 */
export function forgetLostTail(calls, restarts, partitionOf) {
  let forgotten = 0;
  const answered = calls.filter(({ outcome, version }) => outcome === 'ok' && version !== undefined);
  answered.sort((a, b) => a.endUs - b.endUs);
  for (const { killedUs, floors, isCut } of restarts) {
    // Cuts that follow each other with few saves between them reach back further and further.
    const sinceUs = isCut ? 0 : killedUs - LONGEST_TAIL_US;
    for (let i = firstSince(answered, sinceUs); answered[i]?.endUs <= killedUs; i++) {
      const call = answered[i];
      if (call.outcome !== 'ok') continue;
      if (call.version <= BigInt(floors[partitionOf(call.key)] ?? '0')) continue;
      if (call.op !== 'load') forgotten++;
      call.outcome = 'unknown';
    }
  }
  return forgotten;
}

/** Where in calls that are sorted by their end those begin that ended since. */
function firstSince(calls, sinceUs) {
  let [low, high] = [0, calls.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (calls[middle].endUs < sinceUs) low = middle + 1;
    else high = middle;
  }
  return low;
}
