import { setTimeout as delay } from 'node:timers/promises';
import type { DirectRow, DirectTable } from '@cauce/postgres/direct';
import {
  ABSENT_VERSION,
  backoffMs,
  type LocatedSession,
  MOVE_BACKOFF,
  RedisError,
  RedisUnsafeError,
  type StoredMode,
  type StoredSession,
} from '@cauce/protocol';
import { abortedBefore, raceAbort, refuseAborted } from './abort.ts';
import { ClosedPartitionError } from './closed-partition.ts';
import { createConditionalSave } from './conditional-save.ts';
import { otherLayout } from './direct-store.ts';
import { RestoreError, SaveRejectedError } from './errors.ts';
import type { LoadSessions } from './load-sessions.ts';
import type { Loaded } from './loaded.ts';
import { movedSave } from './moved-save.ts';
import type { Basis, LoadBasis } from './save-condition.ts';
import type { SaveSession } from './save-session.ts';
import type { SessionStore } from './session-store.ts';
import type { TenantCache } from './tenant-cache.ts';

export interface SwitchingStoreDeps {
  /** Its loads follow the mode. */
  readonly redis: SessionStore;
  readonly direct: SessionStore;
  readonly table: Pick<DirectTable, 'load'>;
  /** Used while Redis cannot be asked. */
  readonly uncachedTenants: TenantCache;
  /** Monotonic clock, ms. */
  readonly now: () => number;
}

export interface SwitchingStoreOptions {
  /** How long a call waits for a partition that is being moved, ms. */
  readonly moveWaitMs: number;
}

/** What Redis said instead of a session. */
interface Closed {
  readonly mode: Pick<StoredMode, 'mode' | 'term'> | undefined;
  /** It could not be asked. */
  readonly error: Error | undefined;
}

/**
 * Sessions in the store that the writer mode of their partition names. What it believes of a partition is only where it
 * asks first: each store refuses by its fence what does not belong there, and says so before anything happened.
 *
 *               refused: MODE_DIRECT, or Redis is away and PostgreSQL says `direct`
 *   in Redis ◄──────────────────────────────────────────────────────────────────────► direct
 *               refused: MODE_REDIS;  MODE_MOVING: a pause, then the other one
 *
 * A save that may have happened is never repeated here: its error goes to the caller.
 */
export function createSwitchingStore(
  deps: SwitchingStoreDeps,
  { moveWaitMs }: SwitchingStoreOptions,
): SessionStore {
  const { redis, direct, table, uncachedTenants, now } = deps;
  /** Partitions that were direct when last heard of. */
  const believedDirect = new Set<number>();

  function believe(partition: number, isDirect: boolean): void {
    if (isDirect) believedDirect.add(partition);
    else believedDirect.delete(partition);
  }

  async function pause(attempt: number, signal: AbortSignal | undefined): Promise<void> {
    await raceAbort(delay(backoffMs(MOVE_BACKOFF, attempt, Math.random())), signal, abortedBefore);
  }

  const save: SaveSession = async (session, content, options) => {
    const { partition } = session;
    const untilMs = now() + moveWaitMs;
    for (let attempt = 1; ; attempt++) {
      const isDirect = believedDirect.has(partition);
      try {
        return await (isDirect ? direct : redis).save(session, content, options);
      } catch (error) {
        const reason = reasonOf(error);
        if (reason === undefined) throw error;
        if (!reason.startsWith('MODE_')) {
          // Without Redis only PostgreSQL knows where saves belong.
          if (isDirect || !(await isStoredDirect(session))) throw error;
          believe(partition, true);
        } else {
          // Each store names the other one: Redis does not know of the change yet.
          const isMoving = reason === 'MODE_MOVING' || attempt > 2;
          if (isMoving && now() >= untilMs) throw reason === 'MODE_MOVING' ? error : movedSave('void');
          believe(partition, reason === 'MODE_MOVING' ? !isDirect : reason === 'MODE_DIRECT');
          if (isMoving) await pause(attempt, options.signal);
        }
      }
    }
  };

  async function readRows(sessions: readonly LocatedSession[]): Promise<DirectRow[]> {
    try {
      return await table.load(sessions);
    } catch (error) {
      throw new RestoreError('PostgreSQL could not be asked for the session.', error);
    }
  }

  async function isStoredDirect(session: LocatedSession): Promise<boolean> {
    try {
      const [row] = await table.load([session]);
      return row?.mode === 'direct';
    } catch {
      return false;
    }
  }

  async function askRedis(session: LocatedSession, signal: AbortSignal | undefined): Promise<Basis | Closed> {
    try {
      return await redis.loadBasis(session, signal);
    } catch (error) {
      if (error instanceof ClosedPartitionError) return { mode: error.found, error: undefined };
      if (isOfRedis(error)) return { mode: undefined, error };
      throw error;
    }
  }

  /** The newest state, whichever mode there is: see docs/decisions/0009. */
  const loadBasis: LoadBasis = async (session, signal) => {
    refuseAborted(signal);
    const { partition } = session;
    const untilMs = now() + moveWaitMs;
    let closed: Closed | undefined;
    for (let attempt = 1; ; attempt++) {
      if (attempt > 1 || !believedDirect.has(partition)) {
        const answer = await askRedis(session, signal);
        if ('loaded' in answer) return answer;
        closed = answer;
      }
      const [row] = await readRows([session]).catch((error: unknown) => {
        throw closed?.error ?? error;
      });
      switch (row?.mode) {
        case 'direct':
          believe(partition, true);
          return basisOf(row.stored);
        case 'to_redis':
          // Nobody saves: the row is the newest.
          return basisOf(row.stored);
        case 'to_direct':
          // Redis was sealed before the row was read.
          if (closed?.mode?.mode === 'sealed' && closed.mode.term === row.term) return basisOf(row.stored);
          break;
        case 'redis': {
          believe(partition, false);
          const answer = await askRedis(session, signal);
          if ('loaded' in answer) return answer;
          if (answer.error) throw answer.error;
          // It was not open yet when the row was read.
          if (isBefore(answer, row.term)) return basisOf(row.stored);
          closed = answer;
          break;
        }
        case 'other_layout':
          throw otherLayout();
        case 'unknown':
        case undefined:
          throw new RestoreError(
            'No writer modes are stored: start the rollout, or use createSessionClient.',
          );
      }
      if (now() >= untilMs)
        throw new RestoreError('The partition of the session is being moved: repeat the call.');
      await pause(attempt, signal);
    }
  };

  const loads: LoadSessions = {
    one: async (session, signal) => (await loadBasis(session, signal)).loaded,
    async many(sessions, signal) {
      const loaded = new Map<LocatedSession, Loaded>();
      const inRedis = sessions.filter(({ partition }) => !believedDirect.has(partition));
      if (inRedis.length > 0) {
        const found = await redis.loads.many(inRedis, signal).catch((error: unknown) => {
          if (error instanceof ClosedPartitionError || isOfRedis(error)) return [];
          throw error;
        });
        for (const [i, one] of found.entries()) loaded.set(inRedis[i] as LocatedSession, one);
      }
      const rest = sessions.filter((session) => !loaded.has(session));
      if (rest.length > 0) {
        refuseAborted(signal);
        const rows = await raceAbort(readRows(rest), signal, abortedBefore);
        for (const [i, { mode, stored }] of rows.entries()) {
          if (mode !== 'direct' && mode !== 'to_redis') continue;
          const session = rest[i] as LocatedSession;
          if (mode === 'direct') believe(session.partition, true);
          loaded.set(session, basisOf(stored).loaded);
        }
      }
      // Those whose partition is being moved, or is not where it was believed to be.
      return Promise.all(
        sessions.map(async (session) => loaded.get(session) ?? (await loadBasis(session, signal)).loaded),
      );
    },
  };

  return {
    locate: redis.locate,
    ...{ loads, loadBasis, save },
    saveIf: createConditionalSave({ save, loadBasis }),
    tenants: {
      get: (tenantId, loadTenant) =>
        redis.tenants.get(tenantId, loadTenant).catch((error: unknown) => {
          if (!isOfRedis(error)) throw error;
          return uncachedTenants.get(tenantId, loadTenant);
        }),
      invalidate: (tenantId) => redis.tenants.invalidate(tenantId),
    },
    async reconnected() {
      await Promise.any([redis.reconnected(), direct.reconnected()]);
    },
    async close() {
      await Promise.all([redis.close(), direct.close()]);
    },
  };
}

/** Why a save certainly did not happen; undefined: it may have. */
function reasonOf(error: unknown): string | undefined {
  if (error instanceof SaveRejectedError) return error.failure.reason;
  return error instanceof RedisUnsafeError ? error.code : undefined;
}

/** Redis is away, or not to be used: that says nothing about sessions that are direct. */
function isOfRedis(error: unknown): error is Error {
  return error instanceof RedisError || error instanceof RedisUnsafeError;
}

function isBefore({ mode }: Closed, term: string): boolean {
  if (mode?.mode !== 'direct' && mode?.mode !== 'to_redis') return false;
  return BigInt(mode.term) < BigInt(term);
}

function basisOf(stored: StoredSession | undefined): Basis {
  const loaded = stored ?? { lease: undefined };
  return { loaded, condition: { ifVersion: stored?.version ?? ABSENT_VERSION } };
}
