import type { SessionRef, Version } from '@cauce/protocol';
import type { SaveReceipt } from './save-receipt.ts';
import type { SaveOptions } from './save-session.ts';
import type { LoadTenant } from './tenant-cache.ts';
import type { UpdateOptions } from './update-session.ts';

/** A session's owner, or a bare user id, which belongs to the tenant `default`. */
export type SessionName = SessionRef | string;

export interface CallOptions {
  /** Aborts the wait, not what was sent. */
  readonly signal?: AbortSignal | undefined;
}

/** A state and the version to give as `ifVersion`. */
export interface LoadedSession<T> {
  readonly state: T;
  readonly version: Version;
}

/**
 * Sessions of a chat bot. Every call may also throw: InvalidIdError; RedisError if Redis does not answer;
 * RedisUnsafeError if Redis may drop sessions; LayoutMismatchError if the data was written with other partitions;
 * InvalidOptionError if Redis refuses the configured database; AbortedError; ClosedError.
 */
export interface SessionClient<T> extends AsyncDisposable {
  /**
   * Saves the state and announces it for PostgreSQL, both or neither (P1).
   *
   * @throws StateRejectedError, StateTooLargeError: the state cannot be stored
   * @throws TenantBudgetError: too much of the tenant is not in PostgreSQL yet
   * @throws VersionConflictError: `ifVersion` is not the present version; nothing was saved
   * @throws RestoreError: the session is not in Redis, `ifVersion` or `opId` was given, and the loader failed; nothing was
   *   saved
   * @throws SaveRejectedError: Redis did not accept it; nothing was saved
   * @throws SaveUnknownError: it may have been saved; repeating it with the error's `opId` is safe
   * @throws DurabilityError: it was saved in Redis; it is not known whether it came as far as `durability` asks
   */
  saveUserState(session: SessionName, state: T, options?: SaveOptions): Promise<SaveReceipt>;
  /**
   * The state, or undefined when there is no session.
   *
   * @throws RestoreError: it is not in Redis and the loader failed
   * @throws CorruptSessionError, StateRejectedError: what is stored is not JSON, or the schema refuses it
   */
  getUserState(session: SessionName, options?: CallOptions): Promise<T | undefined>;
  /** Like {@link getUserState}, with the version. */
  getUserSession(session: SessionName, options?: CallOptions): Promise<LoadedSession<T> | undefined>;
  /**
   * Like {@link getUserState} for at most 500 sessions, in the order asked. One call of the loader restores
   * the sessions that are not in Redis. If one session cannot be read, the call fails.
   */
  getUserStates(sessions: readonly SessionName[], options?: CallOptions): Promise<(T | undefined)[]>;
  /**
   * Loads, changes and saves as one step. A save of another bot in between is not overwritten: `change` runs again on
   * its state, even if the session was absent or left Redis in between. So `change` may be called several times, and
   * must have no other effects. It gets undefined if there is no session. A save without an answer is repeated once.
   * Without a loader, a session that left Redis counts as none.
   *
   * @throws VersionConflictError after `maxAttempts`
   * @throws SaveUnknownError: it is not known whether the change was applied
   * @throws StateRejectedError, also if `change` returns undefined: use {@link clearUserState} to clear
   * @throws the errors of {@link getUserState}, of {@link saveUserState} and of `change`
   */
  updateUserState(
    session: SessionName,
    change: (state: T | undefined) => T | Promise<T>,
    options?: UpdateOptions,
  ): Promise<SaveReceipt>;
  /**
   * Removes the state in Redis and, with the next sync, in PostgreSQL. A clear is a save: it has its own version (P3).
   *
   * @throws VersionConflictError, RestoreError, SaveRejectedError, SaveUnknownError as {@link saveUserState}
   */
  clearUserState(session: SessionName, options?: SaveOptions): Promise<SaveReceipt>;
  /**
   * The result of `loadTenant` for the tenant, from Redis while it is fresh. This process runs one load of a tenant at a
   * time; each caller gets its own copy. The result must be JSON. null is cached; undefined is returned and not cached.
   *
   * @throws TenantLoadError: `loadTenant` failed
   * @throws StateRejectedError, StateTooLargeError: its result cannot be stored
   */
  getTenantInfo<Info>(tenantId: string, loadTenant: LoadTenant<Info>, options?: CallOptions): Promise<Info>;
  /** Makes the next {@link getTenantInfo} load the tenant again. A load under way is not cached. */
  invalidateTenant(tenantId: string, options?: CallOptions): Promise<void>;
  /**
   * Refuses further calls. Gives calls under way `commandTimeoutMs` to end. Closes the connection if the client opened
   * it. May be called again.
   */
  close(): Promise<void>;
}
