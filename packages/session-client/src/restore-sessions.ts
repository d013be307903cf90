import { randomBytes } from 'node:crypto';
import {
  isCauceError,
  type Keyspace,
  type Lease,
  type LocatedSession,
  MAX_VERSION,
  type RedisConnection,
  RedisError,
  type Scripts,
  type StoredSession,
  textOrNullIn,
  withDeadline,
} from '@cauce/protocol';
import type { Loaded } from './absence.ts';
import { RestoreError } from './errors.ts';
import { Flights } from './flights.ts';
import type { PartitionOpener } from './partition-opener.ts';
import { isReadOnly } from './read-only.ts';
import { areRows, type SessionLoader } from './session-loader.ts';

/** What a load that missed does: lease, ask the loader, hydrate, so that no old row enters Redis (P5). */
export type RestoreSessions = (sessions: readonly LocatedSession[]) => Promise<Loaded[]>;

export interface RestoreDeps {
  readonly redis: RedisConnection;
  readonly scripts: Scripts;
  readonly keyspace: Keyspace;
  readonly loader: SessionLoader;
  readonly opener: Pick<PartitionOpener, 'syncedTo'>;
  /** Handed to the loader. */
  readonly signal: AbortSignal;
  /** How long a hydrated session stays. */
  readonly newTtlMs: () => number;
}

export interface RestoreOptions {
  readonly leaseTtlMs: number;
  readonly commandTimeoutMs: number;
}

/** Sessions that are saved again and again while they are being restored are served without caching them. */
const MAX_ROUNDS = 3;

/** What a restore found. */
interface Restored {
  readonly found: Loaded;
  /** Whether it also answers loads that joined while the rows were being read. */
  readonly isForJoined: boolean;
}

/**
 * `kept`: nobody saved or deleted the session since its lease. `refused`: somebody did. `served`: not known, because
 * Redis takes no writes.
 */
type Kept = 'kept' | 'refused' | 'served';

interface Miss {
  readonly session: LocatedSession;
  /** Undefined when Redis takes no writes. */
  readonly lease: Lease | undefined;
}

/**
 * @returns a function that rejects with RestoreError when the loader failed: never a false "no session".
 *   Loads of the same session in this process share one restore, as long as it is shown after they began that its
 *   row is the newest: a row may be older than a load that joined after it was read (P5).
 */
export function createRestoreSessions(deps: RestoreDeps, options: RestoreOptions): RestoreSessions {
  const { redis, scripts, keyspace, loader, opener, signal, newTtlMs } = deps;
  const flights = new Flights<Restored>();

  async function takeLease(session: LocatedSession): Promise<StoredSession | Miss> {
    const token = randomBytes(9).toString('base64url');
    try {
      const reply = await scripts.lease(session, { token, leaseTtlMs: options.leaseTtlMs });
      return reply.outcome === 'hit' ? reply : { session, lease: reply.lease };
    } catch (error) {
      if (error instanceof RedisError && isReadOnly(error)) return { session, lease: undefined };
      throw error;
    }
  }

  async function loadRows(misses: readonly Miss[]): Promise<(StoredSession | undefined)[]> {
    let rows: (StoredSession | undefined)[];
    try {
      rows = await loader.load(
        misses.map(({ session }) => session.ref),
        { signal, syncedTo: opener.syncedTo },
      );
    } catch (error) {
      if (isCauceError(error) && error.code === 'TABLE_MISMATCH')
        throw new RestoreError(error.message, error);
      throw new RestoreError('The session loader failed, so whether there is a session is not known.', error);
    }
    if (!areRows(rows, misses.length)) {
      throw new RestoreError(
        'The session loader did not answer with one session or undefined for each ref, with a state and with a ' +
          `version from 1 to ${MAX_VERSION}. Such a row has to be mended: see docs/failure-modes.md.`,
      );
    }
    return rows;
  }

  async function keep({ session, lease }: Miss, row: StoredSession | undefined): Promise<Kept> {
    if (lease === undefined) return 'served';
    try {
      if (!row) {
        const call = redis.get(keyspace.lease(session));
        const held = textOrNullIn('hydrate', await withDeadline(call, options.commandTimeoutMs));
        return held === lease ? 'kept' : 'refused';
      }
      const call = { ...row, lease, ttlMs: newTtlMs() };
      return (await scripts.hydrate(session, call)) === 'hydrated' ? 'kept' : 'refused';
    } catch (error) {
      const failure = RedisError.from(error, 'hydrate');
      if (isReadOnly(failure)) return 'served';
      throw failure;
    }
  }

  async function restoreBatch(sessions: readonly LocatedSession[]): Promise<Map<string, Restored>> {
    const found = new Map<string, Restored>();
    let open = sessions;
    for (let round = 1; open.length > 0 && round <= MAX_ROUNDS; round++) {
      const leases = await Promise.all(open.map(takeLease));
      const misses: Miss[] = [];
      leases.forEach((reply, i) => {
        const key = open[i]?.key ?? '';
        if ('session' in reply) misses.push(reply);
        else found.set(key, { found: reply, isForJoined: round > 1 });
      });
      if (misses.length === 0) break;
      const rows = await loadRows(misses);
      // Whoever comes from here on may know of a newer save than the answers to what is asked of Redis now.
      if (round === 1) for (const { session } of misses) flights.forget(session.key);
      const kept = await Promise.all(misses.map((miss, i) => keep(miss, rows[i])));
      // Every row was read after its miss, so none is older than the call that missed; that is good enough in the
      // end. Calls that joined did so before the second round.
      misses.forEach(({ session, lease }, i) => {
        found.set(session.key, { found: rows[i] ?? { lease }, isForJoined: round > 1 || kept[i] === 'kept' });
      });
      open = misses.filter((_, i) => kept[i] === 'refused').map(({ session }) => session);
    }
    return found;
  }

  function start(sessions: readonly LocatedSession[]): Map<string, Promise<Restored>> {
    const batch = restoreBatch(sessions);
    const one = async (key: string): Promise<Restored> => (await batch).get(key) as Restored;
    return new Map(sessions.map(({ key }) => [key, flights.add(key, one(key))]));
  }

  async function join(session: LocatedSession, underWay: Promise<Restored>): Promise<Restored> {
    const joined = await underWay;
    if (joined.isForJoined) return joined;
    // One that is under way now began after this load, so whatever it finds is new enough.
    return flights.get(session.key) ?? (start([session]).get(session.key) as Promise<Restored>);
  }

  return async (sessions) => {
    const distinct = new Map(sessions.map((session) => [session.key, session]));
    const joined = [...distinct.values()].flatMap((session) => {
      const underWay = flights.get(session.key);
      return underWay ? [[session.key, join(session, underWay)] as const] : [];
    });
    const joinedKeys = new Set(joined.map(([key]) => key));
    const fresh = [...distinct.values()].filter(({ key }) => !joinedKeys.has(key));
    const restores = new Map([...joined, ...start(fresh)]);
    const restored = await Promise.all(sessions.map(({ key }) => restores.get(key) as Promise<Restored>));
    return restored.map(({ found }) => found);
  };
}
