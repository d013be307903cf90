import type { Outcome, ReachedDurability } from './history-line.ts';
import type { StateHash } from './state-hash.ts';

/** One call of a bot, as the checker sees it. */
export interface Call {
  readonly proc: string;
  /** Which call of `proc`, from 0. */
  readonly n: number;
  readonly op: 'save' | 'clear' | 'update' | 'load';
  /** `tenant:user`, percent-encoded. */
  readonly session: string;
  startUs: number;
  /** Infinity: the bot did not live to see it. */
  endUs: number;
  /** fail: the answer was that it did not happen. */
  outcome: Outcome;
  /** Of a write that was acknowledged, or of what a load found. */
  version: bigint | undefined;
  /** What is saved, or what a load found; null: no session. Undefined: not known. */
  state: StateHash | null | undefined;
  /** What the last attempt of an update changed; null: no session. */
  base: StateHash | null | undefined;
  readonly ifVersion: bigint | undefined;
  opId: string | undefined;
  /** Its op id had been applied before, as `version`. */
  isReplay: boolean;
  /** How far beyond Redis' memory an acknowledged write had come when it was answered. */
  durability?: ReachedDurability | undefined;
}

export type Write = Call & { readonly version: bigint };
