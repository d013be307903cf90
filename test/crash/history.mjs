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
    /** PostgreSQL could not be asked on behalf of this process. */
    unanswered: ({ proc, sinceUs, untilUs }) => write({ proc, sinceUs, untilUs }),
    close: () => closeSync(fd),
  };
}

/** @returns {{ stateOf: Map<string, string>, restated: Set<string>, unanswered: object[] }} hashes */
export function readNames(historyFile) {
  const stateOf = new Map();
  const moved = [];
  const unanswered = [];
  for (const text of readFileSync(`${historyFile}.names`, 'utf8').split('\n')) {
    if (text === '') continue;
    const { n, state, ...rest } = JSON.parse(text);
    if (n === undefined) unanswered.push(rest);
    else if (state === undefined) moved.push(n);
    else stateOf.set(n, state);
  }
  return { stateOf, restated: new Set(moved.map((n) => stateOf.get(n))), unanswered };
}
