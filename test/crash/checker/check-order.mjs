// Versions of acknowledged writes: distinct, and a write that began after another one was acknowledged is newer.

/** @param {import('./session-history.mjs').SessionHistory} history */
export function checkOrder({ acknowledged }, report) {
  for (const [i, call] of acknowledged.entries()) {
    const before = acknowledged[i - 1];
    if (before?.version === call.version)
      report('disordered', 'two writes have one version', { before, call });
    if (call.replayOf !== undefined && BigInt(call.replayOf) !== call.version) {
      report('wrong', 'an op id was answered with two versions', { call });
    }
  }
  const byEnd = [...acknowledged].sort((a, b) => a.endUs - b.endUs);
  const byStart = [...acknowledged].sort((a, b) => a.startUs - b.startUs);
  let newest;
  let ended = 0;
  for (const call of byStart) {
    for (; ended < byEnd.length && byEnd[ended].endUs < call.startUs; ended++) {
      if (!newest || byEnd[ended].version > newest.version) newest = byEnd[ended];
    }
    if (newest && call.version < newest.version) {
      report('disordered', 'a later write got an older version', { before: newest, call });
    }
  }
}
