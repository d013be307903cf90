import type { State } from '../workload/states.ts';

/** A way to keep a session's state. */
export interface Contender {
  readonly name: string;
  save(user: number, state: State): Promise<unknown>;
  /** Removes what grows with each save. */
  cleanUp(): Promise<unknown>;
  close(): Promise<unknown>;
}
