import type { SessionRef, StoredSession, TableIdentity, Version } from '@cauce/protocol';

export interface LoaderCallOptions {
  /** Aborted when the client is closed. */
  readonly signal?: AbortSignal;
  /**
   * The table the sessions are synced to. A loader that knows which one it reads or writes fails with
   * TableMismatchError when it is another: what is not there says nothing. Undefined: not known yet.
   */
  readonly syncedTo?: TableIdentity | undefined;
  /**
   * Of a write: the time in Redis in which the session was saved. A loader that knows writer modes does not write it when
   * that time is over. Yours may ignore it.
   */
  readonly savedIn?: { readonly partition: number; readonly period: string } | undefined;
}

/**
 * Asks the durable store for sessions that are not in Redis. `@cauce/session-client/postgres` has one for
 * PostgreSQL.
 */
export interface SessionLoader {
  /**
   * Must read the primary, never a replica: an older row would be served as the present one.
   * Must fail when it cannot know; undefined means that there is no such session.
   *
   * @param refs distinct
   * @returns one entry for each ref, in order. `state` is JSON text, '' for a tombstone; `version` a whole number from
   *   1 to 4503599627370495. `operations` as `write` got them; without them no repeated save is recognised once its session
   *   has left Redis.
   */
  load(refs: readonly SessionRef[], options: LoaderCallOptions): Promise<(StoredSession | undefined)[]>;
  /**
   * Commits one session's row unless the row is newer; for saves with `durability: 'postgres'`. Without it they are
   * refused. The row keeps the `operations` with the state.
   *
   * @returns the version the row has then
   */
  write?(ref: SessionRef, session: StoredSession, options: LoaderCallOptions): Promise<Version | undefined>;
}
