// Which state was made under which name: what the harness sees outside of the bots' calls is known by name only.
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';

export { nowUs } from '@cauce/history';

/** @param {string} historyFile of the bots; several processes write beside it */
export function openHistory(historyFile) {
  const fd = openSync(`${historyFile}.names`, 'a');
  const write = (line) => writeSync(fd, `${JSON.stringify(line)}\n`);
  return {
    /** Before it is saved. */
    made: ({ n, state }) => write({ n, state }),
    /** The state may be seen with another version from now on. */
    again: ({ n }) => write({ n }),
    close: () => closeSync(fd),
  };
}

/** @returns {{ stateOf: Map<string, string>, restated: Set<string> }} hashes */
export function readNames(historyFile) {
  const stateOf = new Map();
  const moved = [];
  for (const text of readFileSync(`${historyFile}.names`, 'utf8').split('\n')) {
    if (text === '') continue;
    const { n, state } = JSON.parse(text);
    if (state === undefined) moved.push(n);
    else stateOf.set(n, state);
  }
  return { stateOf, restated: new Set(moved.map((n) => stateOf.get(n))) };
}
