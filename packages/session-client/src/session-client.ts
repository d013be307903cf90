import {
  createKeyspace,
  createScripts,
  describeKind,
  hostClocks,
  InvalidIdError,
  InvalidOptionError,
  type LocatedSession,
  MAX_SCRIPT_SESSIONS,
  openRedis,
  type SessionRef,
  type StoredSession,
  toSessionRef,
  type Version,
} from '@cauce/protocol';
import { raceAbort, refuseAborted } from './abort.ts';
import { createCalls } from './calls.ts';
import { createConditionalSave } from './conditional-save.ts';
import { createConfirmSessions } from './confirm-sessions.ts';
import { createUntilDurable } from './durable-saves.ts';
import { AbortedError } from './errors.ts';
import { createLoadSessions } from './load-sessions.ts';
import { presentIn } from './loaded.ts';
import { createOpIds } from './op-ids.ts';
import { type ResolvedOptions, resolveOptions, type SessionClientOptions, saveLimits } from './options.ts';
import { createPartitionOpener } from './partition-opener.ts';
import { createReadRows } from './read-rows.ts';
import { createSessionReader } from './read-sessions.ts';
import { createReplicatedSaves } from './replicated-saves.ts';
import { createRestoreSessions } from './restore-sessions.ts';
import { createSaveBatches } from './save-batches.ts';
import { createLoadBasis } from './save-condition.ts';
import type { SaveContent, SaveReceipt } from './save-receipt.ts';
import { checkSaveOptions, createSaveSession, type SaveDefaults, type SaveOptions } from './save-session.ts';
import type { SessionLoader } from './session-loader.ts';
import { createStateCodec } from './state-schema.ts';
import { createTenantCache, type LoadTenant } from './tenant-cache.ts';
import { type UpdateOptions, updateSession } from './update-session.ts';

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
   * @throws RestoreError: the session is not in Redis, `ifVersion` was given, and the loader failed; nothing was saved
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

/**
 * Opens a session client. It connects at once, in the background; the first call waits for the connection.
 *
 * @throws InvalidOptionError that lists every option out of its bounds
 */
export function createSessionClient<T = unknown>(options: SessionClientOptions<T>): SessionClient<T> {
  const resolved = resolveOptions(options);
  const { locate, loads, loadBasis, save, saveIf, tenants, calls, opener, replicated, connection } =
    assemble(resolved);
  const newOpId = createOpIds();
  const defaults: SaveDefaults = {
    ...{ newOpId, durability: resolved.durability },
    canCommit: resolved.loader?.write !== undefined,
  };
  const codec = createStateCodec(resolved.schema, { maxBytes: resolved.maxStateBytes });
  let closed: Promise<void> | undefined;

  async function decode(stored: StoredSession | undefined, where = 'the session'): Promise<T | undefined> {
    return stored && !stored.isTombstone ? codec.decode(stored.state, where) : undefined;
  }

  const close = (): Promise<void> => {
    closed ??= calls.close(resolved.commandTimeoutMs).then(() => {
      opener.close();
      replicated.close();
      return connection.close();
    });
    return closed;
  };

  return {
    saveUserState: (name, state, saveOptions = {}) =>
      calls.run('save', async () => {
        const session = locate(name);
        const checked = checkSaveOptions(saveOptions, defaults);
        return saveIf(session, { state: await codec.encode(state), isTombstone: false }, checked);
      }),

    getUserState: (name, { signal } = {}) =>
      calls.run('load', async () => {
        const session = locate(name);
        return decode(presentIn(await loads.one(session, signal)));
      }),

    getUserSession: (name, { signal } = {}) =>
      calls.run('load', async () => {
        const session = locate(name);
        const stored = presentIn(await loads.one(session, signal));
        if (!stored || stored.isTombstone) return undefined;
        return { state: await codec.decode(stored.state, 'the session'), version: stored.version };
      }),

    getUserStates: (names, { signal } = {}) =>
      calls.run('loadMany', async () => {
        if (!Array.isArray(names)) {
          throw new InvalidIdError(
            `The sessions are ${describeKind(names)}; give an array of user ids, or of { tenantId, userId }.`,
          );
        }
        if (names.length > MAX_SCRIPT_SESSIONS) {
          throw new InvalidOptionError(
            `${names.length} sessions in one call; at most ${MAX_SCRIPT_SESSIONS}.`,
          );
        }
        const sessions = names.map(locate);
        const loaded = await loads.many(sessions, signal);
        return Promise.all(loaded.map((one, i) => decode(presentIn(one), `session ${i} of the call`)));
      }),

    updateUserState: (name, change, updateOptions = {}) =>
      calls.run('update', async () => {
        const session = locate(name);
        const { signal, durability } = updateOptions;
        return updateSession<T>(
          {
            load: () => calls.step('load', () => loadBasis(session, signal)),
            decode: (stored) => codec.decode(stored.state, 'the session'),
            encode: (state) => codec.encode(state),
            newOpId,
            save: (state, { epoch, lease, ...condition }) =>
              calls.step('save', () =>
                save(
                  session,
                  { state, isTombstone: false },
                  { ...checkSaveOptions({ ...condition, durability, signal }, defaults), epoch, lease },
                ),
              ),
            reconnected: () => connection.ready(resolved.commandTimeoutMs),
            random: Math.random,
          },
          change,
          updateOptions,
        );
      }),

    clearUserState: (name, saveOptions = {}) =>
      calls.run('clear', async () => {
        const tombstone: SaveContent = { state: '', isTombstone: true };
        return saveIf(locate(name), tombstone, checkSaveOptions(saveOptions, defaults));
      }),

    getTenantInfo: (tenantId, loadTenant, { signal } = {}) =>
      calls.run('tenant', async () => {
        refuseAborted(signal);
        return raceAbort(tenants.get(tenantId, loadTenant), signal, abortedTenant);
      }),

    invalidateTenant: (tenantId, { signal } = {}) =>
      calls.run('invalidateTenant', async () => {
        refuseAborted(signal);
        return raceAbort(tenants.invalidate(tenantId), signal, abortedTenant);
      }),

    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Puts the parts together; nothing is sent yet. */
function assemble<T>(options: ResolvedOptions<T>) {
  const { commandTimeoutMs } = options;
  const { now } = hostClocks;
  const keyspace = createKeyspace(options);
  const connection = openRedis(options.redis, {
    connectionName: 'cauce-session-client',
    answerTimeoutMs: commandTimeoutMs,
    tlsFiles: options.redisTls,
    onError: options.onRedisError ?? (() => {}),
  });
  const { redis } = connection;
  const scripts = createScripts({ redis, keyspace }, { timeoutMs: commandTimeoutMs });
  const opener = createPartitionOpener({ connection, keyspace, scripts, now }, options);
  const replicated = createReplicatedSaves({ connection, keyspace }, options);
  const calls = createCalls({ now, observe: options.observe });
  const reader = createSessionReader(redis, { timeoutMs: commandTimeoutMs });
  const { loader = nothingElsewhere } = options;
  // ±10 %, so that what was restored together does not expire together.
  const newTtlMs = (): number => Math.round(options.sessionTtlSeconds * 1000 * (0.9 + 0.2 * Math.random()));
  const readRows = createReadRows({ loader, opener, signal: calls.closing });
  const loads = createLoadSessions({
    ...{ opener, reader },
    confirm: createConfirmSessions({ opener, scripts, readRows, now, newTtlMs }),
    restore: createRestoreSessions({ redis, scripts, readRows, newTtlMs }, options),
  });
  const loadBasis = createLoadBasis({ opener, loads });
  const limits = saveLimits(options);
  const save = createSaveSession(
    {
      opener,
      sendSave: createSaveBatches({ redis, scripts }, limits),
      untilDurable: createUntilDurable({ opener, replicated, reader, loader, signal: calls.closing }),
    },
    limits,
  );
  return {
    connection,
    calls,
    opener,
    replicated,
    locate: (name: SessionName): LocatedSession => keyspace.locate(toSessionRef(name)),
    ...{ loads, loadBasis, save },
    saveIf: createConditionalSave({ save, loadBasis }),
    tenants: createTenantCache({ opener, redis, keyspace, scripts }, options),
  };
}

/** Without a loader: a session that is not in Redis does not exist. */
const nothingElsewhere: SessionLoader = { load: (refs) => Promise.resolve(refs.map(() => undefined)) };

function abortedTenant(signal: AbortSignal): AbortedError {
  return new AbortedError('The wait for the tenant was aborted.', signal);
}
