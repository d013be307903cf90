import type { Version } from '../version.ts';

/** A session as a store holds it. `state` is JSON text, '' for a tombstone. */
export interface StoredSession {
  readonly state: string;
  readonly version: Version;
  readonly isTombstone: boolean;
}

/** Names the time between two moments at which Redis may have lost the end of its data; only compared for equality. */
export type Epoch = string;

/** A session in Redis, and in which epoch it was saved, and confirmed or restored; '' = in none that is known. */
export interface HeldSession extends StoredSession {
  readonly savedIn: Epoch;
  readonly confirmedIn: Epoch;
}

/** While Redis has it nobody has saved the session since it was taken, in the epoch in which it was taken. */
export type Lease = string;
