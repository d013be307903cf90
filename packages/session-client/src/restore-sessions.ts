import { randomBytes } from 'node:crypto';
import {
  type HeldSession,
  type Lease,
  type LocatedSession,
  type RedisConnection,
  RedisError,
  type Scripts,
  SESSION_HASH,
  type StoredSession,
  textOrNullIn,
  withDeadline,
} from '@cauce/protocol';
import { Flights } from './flights.ts';
import type { Found } from './loaded.ts';
import { isReadOnly } from './read-only.ts';
import type { ReadRows } from './read-rows.ts';

/**
 * The step of a load for sessions that Redis does not hold: take their leases, ask the loader, restore those that nobody
 * saved since, so that no old row enters Redis (P5). A Redis that takes no writes gets nothing; the rows are served.
 *
 * @param sessions distinct
 * @throws RestoreError when the loader failed: never a false "no session"
 * @throws RedisError
 */
export type RestoreSessions = (sessions: readonly LocatedSession[]) => Promise<Found[]>;

export interface RestoreDeps {
  readonly redis: RedisConnection;
  readonly scripts: Pick<Scripts, 'lease' | 'restore'>;
  readonly readRows: ReadRows;
  /** How long a restored session stays. */
  readonly newTtlMs: () => number;
}

export interface RestoreOptions {
  readonly leaseTtlMs: number;
  readonly commandTimeoutMs: number;
}

interface Restored extends Found {
  /** After the row was read Redis still had the lease: nobody had saved, so the row was the newest at that moment. */
  readonly isProven: boolean;
}

interface Miss {
  readonly session: LocatedSession;
  /** Undefined when Redis takes no writes. */
  readonly lease: Lease | undefined;
}

/** @returns a function whose calls share the restores of the same session that are under way in this process */
export function createRestoreSessions(deps: RestoreDeps, options: RestoreOptions): RestoreSessions {
  const { redis, scripts, readRows, newTtlMs } = deps;
  const flights = new Flights<Restored>();

  async function takeLease(session: LocatedSession): Promise<HeldSession | Miss> {
    const token = randomBytes(9).toString('base64url');
    try {
      const reply = await scripts.lease(session, { token, leaseTtlMs: options.leaseTtlMs });
      return reply.outcome === 'hit' ? reply : { session, lease: reply.lease };
    } catch (error) {
      if (error instanceof RedisError && isReadOnly(error)) return { session, lease: undefined };
      throw error;
    }
  }

  async function isLeaseThere(session: LocatedSession, lease: Lease): Promise<boolean> {
    const held = await withDeadline(redis.hget(session.key, SESSION_HASH.lease), options.commandTimeoutMs);
    return textOrNullIn('restore', held) === lease;
  }

  async function keep({ session, lease }: Miss, row: StoredSession | undefined): Promise<Restored> {
    const found = { session, loaded: row ?? { lease } };
    const unkept = { ...found, isChanged: false, isProven: false };
    if (lease === undefined) return unkept;
    try {
      const isKept = row
        ? (await scripts.restore(session, { ...row, lease, ttlMs: newTtlMs() })) === 'restored'
        : await isLeaseThere(session, lease);
      return { ...found, isChanged: !isKept, isProven: isKept };
    } catch (error) {
      const failure = RedisError.from(error, 'restore');
      if (isReadOnly(failure)) return unkept;
      throw failure;
    }
  }

  async function restoreAll(sessions: readonly LocatedSession[]): Promise<Map<string, Restored>> {
    const restored = new Map<string, Restored>();
    const misses: Miss[] = [];
    const replies = await Promise.all(sessions.map(takeLease));
    sessions.forEach((session, i) => {
      const reply = replies[i] as HeldSession | Miss;
      if ('lease' in reply) misses.push(reply);
      else restored.set(session.key, { session, loaded: reply, isChanged: true, isProven: false });
    });
    const rows = await readRows(misses.map(({ session }) => session));
    // A call from here on may know of a newer save than the answers to what is asked of Redis now.
    for (const { session } of misses) flights.forget(session.key);
    const kept = await Promise.all(misses.map((miss, i) => keep(miss, rows[i])));
    for (const one of kept) restored.set(one.session.key, one);
    return restored;
  }

  /** Joins what is under way, and starts the rest together. */
  function joinOrStart(sessions: readonly LocatedSession[]): Promise<Restored[]> {
    const fresh = sessions.filter(({ key }) => !flights.get(key));
    const batch = restoreAll(fresh);
    for (const { key } of fresh) {
      const one = async (): Promise<Restored> => (await batch).get(key) as Restored;
      void flights.add(key, one());
    }
    return Promise.all(sessions.map(({ key }) => flights.get(key) as Promise<Restored>));
  }

  return async (sessions) => {
    const isJoined = sessions.map(({ key }) => flights.get(key) !== undefined);
    const first = await joinOrStart(sessions);
    // The row may have been read before this call, and the session saved in between.
    const isEarly = first.map(({ isProven }, i) => isJoined[i] && !isProven);
    // Everything that is under way now began after this call.
    const second = await joinOrStart(sessions.filter((_, i) => isEarly[i]));
    return [...first.filter((_, i) => !isEarly[i]), ...second];
  };
}
