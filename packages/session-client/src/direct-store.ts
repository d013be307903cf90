import type { DirectRow, DirectTable, FoundMode } from '@cauce/postgres/direct';
import {
  ABSENT_VERSION,
  ANY_VERSION,
  type Keyspace,
  LayoutMismatchError,
  type LocatedSession,
} from '@cauce/protocol';
import { raceAbort, refuseAborted } from './abort.ts';
import { createConditionalSave } from './conditional-save.ts';
import {
  AbortedError,
  RestoreError,
  SaveRejectedError,
  SaveUnknownError,
  VersionConflictError,
} from './errors.ts';
import type { LoadSessions } from './load-sessions.ts';
import { type Loaded, presentIn } from './loaded.ts';
import { MOVING } from './moved-save.ts';
import type { LoadBasis } from './save-condition.ts';
import { abortedSave, type SaveSession } from './save-session.ts';
import type { SessionStore } from './session-store.ts';
import { createTenantLoads } from './tenant-loads.ts';

export interface DirectStoreDeps {
  readonly table: DirectTable;
  readonly keyspace: Keyspace;
}

export interface DirectStoreOptions {
  readonly maxStateBytes: number;
}

/**
 * Sessions in PostgreSQL, without Redis: a save is one transaction, a load one statement. Both look at the writer mode
 * of the partition in it: what belongs to Redis is neither written nor read here.
 */
export function createDirectStore(deps: DirectStoreDeps, options: DirectStoreOptions): SessionStore {
  const { table, keyspace } = deps;

  async function loadMany(sessions: readonly LocatedSession[]): Promise<Loaded[]> {
    const rows = await table.load(sessions).catch((error: unknown) => {
      throw new RestoreError('PostgreSQL could not be asked for the session.', error);
    });
    return rows.map(loadedOf);
  }

  const loads: LoadSessions = {
    async one(session, signal) {
      refuseAborted(signal);
      const [loaded] = await raceAbort(loadMany([session]), signal, abortedLoad);
      return loaded as Loaded;
    },
    async many(sessions, signal) {
      refuseAborted(signal);
      return raceAbort(loadMany(sessions), signal, abortedLoad);
    },
  };

  const loadBasis: LoadBasis = async (session, signal) => {
    const loaded = await loads.one(session, signal);
    return { loaded, condition: { ifVersion: presentIn(loaded)?.version ?? ABSENT_VERSION } };
  };

  const save: SaveSession = async (session, { state, isTombstone }, { opId, ifVersion, signal }) => {
    refuseAborted(signal);
    const condition = ifVersion === ANY_VERSION ? undefined : ifVersion;
    const call = { session, state: isTombstone ? undefined : state, opId, ifVersion: condition };
    const reply = await raceAbort(table.save(call), signal, (aborted) => abortedSave(aborted, opId));
    switch (reply.outcome) {
      case 'saved':
      case 'replayed': {
        const { version, outcome } = reply;
        return { version, opId, isReplay: outcome === 'replayed', durability: 'postgres' };
      }
      case 'conflict':
        throw new VersionConflictError(ifVersion ?? '', reply.version);
      case 'moved':
        throw notDirectSave(reply.mode);
      case 'failed':
        throw reply.failure.effect === 'refused'
          ? new SaveRejectedError(reply.failure, reply.error)
          : new SaveUnknownError(opId, reply.failure, reply.error);
    }
  };

  return {
    locate: keyspace.locate,
    ...{ loads, loadBasis, save },
    saveIf: createConditionalSave({ save, loadBasis }),
    tenants: createTenantLoads(options),
    reconnected: () => table.ping(),
    close: () => table.close(),
  };
}

function loadedOf({ mode, stored }: DirectRow): Loaded {
  // While the partition is being moved to Redis nobody saves: the row is the newest.
  if (mode === 'direct' || mode === 'to_redis') return stored ?? { lease: undefined };
  if (mode === 'other_layout') throw otherLayout();
  throw new RestoreError(notDirect(mode));
}

function notDirectSave(mode: FoundMode): Error {
  if (mode === 'other_layout') return otherLayout();
  const isMoving = mode === 'to_redis' || mode === 'to_direct';
  const reason = isMoving ? 'MODE_MOVING' : 'MODE_REDIS';
  return new SaveRejectedError(
    { effect: 'refused', retryable: isMoving, reason },
    undefined,
    notDirect(mode),
  );
}

function notDirect(mode: FoundMode): string {
  return mode === 'redis' || mode === 'unknown'
    ? 'The sessions of its partition are in Redis, and are not read or saved directly.'
    : MOVING;
}

export function otherLayout(): LayoutMismatchError {
  return new LayoutMismatchError(
    'The sessions were written with another number of partitions: set SESSION_PARTITIONS as it is in the table of the layout.',
  );
}

function abortedLoad(signal: AbortSignal): AbortedError {
  return new AbortedError('The load was aborted.', signal);
}
