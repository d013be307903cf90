import type { Lease, StoredSession } from '@cauce/protocol';

/** What a load says of a session that neither store has. */
export interface Absence {
  /** Vouches for the absence until somebody saves; undefined: Redis took no lease. */
  readonly lease: Lease | undefined;
}

/** What a load found: a session, perhaps a tombstone, or that there is none. */
export type Loaded = StoredSession | Absence;

export function presentIn(loaded: Loaded): StoredSession | undefined {
  return 'version' in loaded ? loaded : undefined;
}
