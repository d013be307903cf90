// Which state was made under which name: what the harness sees outside of the bots' calls is known by name only.
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';

import type { StateHash } from '@cauce/history';

export { nowUs } from '@cauce/history';

/** A process could not ask PostgreSQL. */
export interface Unanswered {
  readonly proc: string;
  readonly sinceUs: number;
  readonly untilUs: number;
}

/** A state was made, or may be seen with another version; or PostgreSQL could not be asked. */
type Line = { readonly n: string; readonly state?: StateHash } | Unanswered;

export type HistoryOfNames = ReturnType<typeof openHistory>;

/** @param historyFile of the bots; several processes write beside it */
export function openHistory(historyFile: string) {
  const fd = openSync(`${historyFile}.names`, 'a');
  const write = (line: Line) => writeSync(fd, `${JSON.stringify(line)}\n`);
  return {
    /** Before it is saved. */
    made: ({ n, state }: { readonly n: string; readonly state: StateHash }) => write({ n, state }),
    /** The state may be seen with another version from now on. */
    again: ({ n }: { readonly n: string }) => write({ n }),
    /** PostgreSQL could not be asked on behalf of this process. */
    unanswered: (one: Unanswered) => write(one),
    close: () => closeSync(fd),
  };
}

export interface Names {
  readonly stateOf: ReadonlyMap<string, StateHash>;
  /** States that may be seen with another version. */
  readonly restated: ReadonlySet<StateHash>;
  readonly unanswered: readonly Unanswered[];
}

export function readNames(historyFile: string): Names {
  const stateOf = new Map<string, StateHash>();
  const moved: string[] = [];
  const unanswered: Unanswered[] = [];
  for (const text of readFileSync(`${historyFile}.names`, 'utf8').split('\n')) {
    if (text === '') continue;
    const line = JSON.parse(text) as Line;
    if (!('n' in line)) unanswered.push(line);
    else if (line.state === undefined) moved.push(line.n);
    else stateOf.set(line.n, line.state);
  }
  return { stateOf, restated: new Set(moved.flatMap((n) => stateOf.get(n) ?? [])), unanswered };
}
