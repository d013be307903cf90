import type { Lease, LocatedSession, StoredSession } from '@cauce/protocol';

/** What a load says of a session that neither store has. */
export interface Absence {
  /** Proves the absence until somebody saves; undefined: Redis gave no lease. */
  readonly lease: Lease | undefined;
}

/** What a load found: a session, perhaps a tombstone, or that there is none. */
export type Loaded = StoredSession | Absence;

/** What a step of a load found out about one session. */
export interface Found {
  readonly session: LocatedSession;
  readonly loaded: Loaded;
  /** It changed in Redis during the step: it is read again while rounds are left. */
  readonly isChanged: boolean;
}

export function presentIn(loaded: Loaded): StoredSession | undefined {
  return 'version' in loaded ? loaded : undefined;
}
