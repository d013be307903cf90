// What was done to one session, arranged for the checks.

/**
 * @typedef {import('../history.mjs').Call} Call
 * @typedef {object} SessionHistory
 * @property {string} key
 * @property {Call[]} writes
 * @property {Call[]} reads loads that were answered
 * @property {Call[]} acknowledged writes, by version
 * @property {Call | undefined} newest the acknowledged write with the highest version
 * @property {Map<string, Call>} byName
 */

/** @param {Call[]} calls @returns {SessionHistory[]} */
export function bySession(calls) {
  const groups = new Map();
  for (const call of calls) {
    if (!groups.has(call.key)) groups.set(call.key, []);
    groups.get(call.key).push(call);
  }
  return [...groups].map(([key, group]) => arrange(key, group));
}

function arrange(key, calls) {
  const writes = calls.filter(({ op }) => op !== 'load');
  const acknowledged = writes.filter(({ outcome }) => outcome === 'ok').sort(byVersion);
  return {
    key,
    writes,
    reads: calls.filter(({ op, outcome }) => op === 'load' && outcome === 'ok'),
    acknowledged,
    newest: acknowledged.at(-1),
    byName: new Map(writes.map((call) => [call.n, call])),
  };
}

function byVersion(a, b) {
  return a.version < b.version ? -1 : a.version > b.version ? 1 : 0;
}

/**
 * Whether the write may have been applied at versions nobody was told of: its outcome is unknown, or it was sent more
 * than once and the first copy may have arrived late.
 */
export function isUncertain(call) {
  return call.outcome === 'unknown' || call.isRepeated;
}

/** Whether a write explains that a store holds this state (null: a tombstone) at this version. */
export function isExplained({ writes, byName }, { version, found }) {
  if (found === null) {
    return writes.some((call) => call.op === 'clear' && mayHave(call, version));
  }
  const call = byName.get(found.n);
  return call !== undefined && call.op !== 'clear' && mayHave(call, version) && isWhatItSaved(call, found);
}

function mayHave(call, version) {
  return isUncertain(call) || (call.outcome === 'ok' && call.version === version);
}

function isWhatItSaved(call, { isWhole, base, counter }) {
  const saved = call.op === 'update' ? call.attempts : [{ base: null, counter: 0 }];
  return isWhole && saved.some((attempt) => attempt.base === base && attempt.counter === counter);
}
