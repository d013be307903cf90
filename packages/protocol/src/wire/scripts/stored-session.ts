import { type SessionHeader, toRowOperations } from '../session-hash.ts';
import type { Version } from '../version.ts';

/** A session as a store holds it. `state` is JSON text, '' for a tombstone. */
export interface StoredSession {
  readonly state: string;
  readonly version: Version;
  readonly isTombstone: boolean;
  /**
   * Its last saves, at most four, newest first: `opId=version opId=version …`. Undefined: none is known, and the repetition
   * of a save is not recognised.
   */
  readonly operations?: string | undefined;
}

/** Names the time between two moments at which Redis may have lost the end of its data; only compared for equality. */
export type Epoch = string;

/** A session in Redis, and in which epoch it was saved, and confirmed or restored; '' = in none that is known. */
export interface HeldSession extends StoredSession {
  readonly savedIn: Epoch;
  readonly confirmedIn: Epoch;
}

/** Pure. */
export function toHeldSession(held: { readonly state: string } & SessionHeader): HeldSession {
  const { state, version, isTombstone, savedIn, confirmedIn } = held;
  return { state, version, isTombstone, savedIn, confirmedIn, operations: toRowOperations(held.operations) };
}

/** While Redis has it nobody has saved the session since it was taken, in the epoch in which it was taken. */
export type Lease = string;
