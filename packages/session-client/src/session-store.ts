import type { LocatedSession, SessionRef } from '@cauce/protocol';
import type { LoadSessions } from './load-sessions.ts';
import type { LoadBasis } from './save-condition.ts';
import type { SaveSession } from './save-session.ts';
import type { TenantCache } from './tenant-cache.ts';

/** Where a client's sessions are. What it stores is text: {@link clientOf} checks and encodes. */
export interface SessionStore {
  /** @throws InvalidIdError */
  locate(ref: SessionRef): LocatedSession;
  readonly loads: LoadSessions;
  /** Loads what is to be changed. */
  readonly loadBasis: LoadBasis;
  /** Saves; a condition has to hold as {@link LoadBasis} gave it. */
  readonly save: SaveSession;
  /** Saves with the caller's `ifVersion`. */
  readonly saveIf: SaveSession;
  readonly tenants: TenantCache;
  /** Resolves when the store can be asked again after a call without an answer; rejects when it cannot soon. */
  reconnected(): Promise<void>;
  /** May be called once, when no call is under way any more. */
  close(): Promise<void>;
}
