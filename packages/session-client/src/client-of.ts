import {
  describeKind,
  InvalidIdError,
  InvalidOptionError,
  type LocatedSession,
  MAX_SCRIPT_SESSIONS,
  type StoredSession,
  toSessionRef,
} from '@cauce/protocol';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { raceAbort, refuseAborted } from './abort.ts';
import type { Calls } from './calls.ts';
import { AbortedError } from './errors.ts';
import { presentIn } from './loaded.ts';
import { createOpIds } from './op-ids.ts';
import type { Durability, SaveContent } from './save-receipt.ts';
import { checkSaveOptions, type SaveDefaults } from './save-session.ts';
import type { SessionClient, SessionName } from './session-client.ts';
import type { SessionStore } from './session-store.ts';
import { createStateCodec } from './state-schema.ts';
import { updateSession } from './update-session.ts';

export interface ClientDeps {
  readonly store: SessionStore;
  readonly calls: Calls;
}

export interface ClientOptions<T> {
  readonly schema: StandardSchemaV1<unknown, T> | undefined;
  readonly maxStateBytes: number;
  readonly durability: Durability;
  /** Whether `durability: 'postgres'` can be kept. */
  readonly canCommit: boolean;
  /** How long calls under way may take to end after close. */
  readonly closeGraceMs: number;
}

/** The public client over a store: checks and encodes what the caller gives, decodes what the store has. */
export function clientOf<T>({ store, calls }: ClientDeps, options: ClientOptions<T>): SessionClient<T> {
  const { save, saveIf, loads, loadBasis, tenants } = store;
  const newOpId = createOpIds();
  const { durability, canCommit } = options;
  const defaults: SaveDefaults = { newOpId, durability, canCommit };
  const codec = createStateCodec(options.schema, { maxBytes: options.maxStateBytes });
  let closed: Promise<void> | undefined;

  const locate = (name: SessionName): LocatedSession => store.locate(toSessionRef(name));

  async function decode(stored: StoredSession | undefined, where = 'the session'): Promise<T | undefined> {
    return stored && !stored.isTombstone ? codec.decode(stored.state, where) : undefined;
  }

  const close = (): Promise<void> => {
    closed ??= calls.close(options.closeGraceMs).then(() => store.close());
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
            reconnected: () => store.reconnected(),
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

function abortedTenant(signal: AbortSignal): AbortedError {
  return new AbortedError('The wait for the tenant was aborted.', signal);
}
