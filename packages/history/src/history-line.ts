import type { Version } from '@cauce/protocol';
import type { StateHash } from './state-hash.ts';

/** Raised when a line changes its meaning. */
export const HISTORY_VERSION = 1;

export type Outcome = 'ok' | 'fail' | 'unknown';

/** A save that came so far outlives a Redis that loses the end of its data. */
export type ReachedDurability = 'replica' | 'postgres';

/**
 * One line of a history. `proc` is one recorder's life and `n` one call of it; `us` is a monotonic clock. A state is
 * never written, only its hash; null is "no session".
 */
export type HistoryLine = { readonly us: number; readonly proc: string } & (OpenLine | CallLine);

/** `clock` names what `us` was read from, `wallUs` is the same moment since 1970. */
export interface OpenLine {
  readonly at: 'open';
  readonly v: number;
  readonly clock: string;
  readonly wallUs: number;
}

export type CallLine = { readonly n: number } & (SentLine | AttemptLine | DoneLine);

/** Written before a call is sent. */
export type SentLine = { readonly at: 'call' } & (
  | {
      readonly op: 'save' | 'clear' | 'update' | 'load';
      readonly session: string;
      /** What is saved; absent when it could not be hashed. */
      readonly state?: StateHash | undefined;
      readonly opId?: string | undefined;
      readonly ifVersion?: Version | undefined;
    }
  | { readonly op: 'loadMany'; readonly sessions: readonly string[] }
);

/** Written before each save of an update: what it changed into what. */
export interface AttemptLine {
  readonly at: 'attempt';
  readonly base?: StateHash | null | undefined;
  readonly state?: StateHash | undefined;
}

/** Written when the outcome is known. `fail`: it did not happen. */
export interface DoneLine {
  readonly at: 'done';
  readonly outcome: Outcome;
  /** Of a save, or of what a load found. */
  readonly version?: Version | undefined;
  readonly opId?: string | undefined;
  readonly isReplay?: true | undefined;
  /** Of a save: how far beyond Redis' memory it had come. */
  readonly durability?: ReachedDurability | undefined;
  /** What a load found. */
  readonly state?: StateHash | null | undefined;
  readonly states?: readonly (StateHash | null | undefined)[] | undefined;
  readonly code?: string | undefined;
}
