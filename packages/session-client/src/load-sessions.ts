import type { HeldSession, LocatedSession } from '@cauce/protocol';
import { raceAbort, refuseAborted } from './abort.ts';
import { type ConfirmSessions, type DoubtedSession, isOf } from './confirm-sessions.ts';
import { AbortedError } from './errors.ts';
import type { Loaded } from './loaded.ts';
import type { PartitionOpener } from './partition-opener.ts';
import type { SessionReader } from './read-sessions.ts';
import type { RestoreSessions } from './restore-sessions.ts';

/**
 * What the stores hold, tombstones included. Redis is read first; then a session is in one of three states, and each
 * round takes one step with all that are in the same:
 *
 *   read ─┬─► trusted ──────────────────────────► loaded   what Redis holds
 *    ▲    ├─► doubted ── confirm-sessions.ts ─┬─► loaded   the newer of what Redis holds and the row
 *    │    └─► missing ── restore-sessions.ts ─┼─► loaded   the row, which is kept in Redis; or that there is none
 *    └───────────── changed meanwhile ◄───────┘
 *
 * - trusted: saved, restored or confirmed in the present epoch. doubted: in an earlier one only, so Redis may have come
 *   back older than PostgreSQL. missing: Redis does not hold it.
 * - changed meanwhile: a doubted session was saved, left Redis, or another epoch began; a missing one came to Redis, or
 *   was saved and has left again.
 * - A session that changes in each of {@link MAX_ROUNDS} rounds is served as the last step read it. Nothing is served
 *   that was read before the load began, so no round is needed to keep P5; they are there to keep sessions in Redis.
 * - A missing session fails the load when the loader fails. A doubted one is served as Redis holds it: after a restart
 *   of Redis PostgreSQL must not be needed.
 */
export interface LoadSessions {
  one(session: LocatedSession, signal?: AbortSignal): Promise<Loaded>;
  /** In the order asked; each step is taken for all of them at once. */
  many(sessions: readonly LocatedSession[], signal?: AbortSignal): Promise<Loaded[]>;
}

export interface LoadDeps {
  readonly opener: Pick<PartitionOpener, 'open' | 'epochOf'>;
  readonly reader: SessionReader;
  readonly confirm: ConfirmSessions;
  readonly restore: RestoreSessions;
}

const MAX_ROUNDS = 3;

export function createLoadSessions({ opener, reader, confirm, restore }: LoadDeps): LoadSessions {
  async function loadOne(session: LocatedSession): Promise<Loaded> {
    await opener.open([session.partition]);
    const [loaded] = await takeSteps([session], [await reader.read(session)]);
    return loaded as Loaded;
  }

  async function loadMany(sessions: readonly LocatedSession[]): Promise<Loaded[]> {
    await opener.open([...new Set(sessions.map(({ partition }) => partition))]);
    return takeSteps(sessions, await reader.readMany(sessions));
  }

  async function takeSteps(
    sessions: readonly LocatedSession[],
    read: readonly (HeldSession | undefined)[],
  ): Promise<Loaded[]> {
    const loaded = new Map<string, Loaded>();
    // The same session may have been asked for twice.
    let open = [...new Map(sessions.map((session, i) => [session.key, { session, held: read[i] }])).values()];
    for (let round = 1; open.length > 0; round++) {
      const doubted: DoubtedSession[] = [];
      const missing: LocatedSession[] = [];
      for (const { session, held } of open) {
        if (!held) missing.push(session);
        else if (round === 1 && isOf(opener.epochOf(session.partition), held)) loaded.set(session.key, held);
        else doubted.push({ session, held });
      }
      const found = (await Promise.all([confirm(doubted), restore(missing)])).flat();
      for (const one of found) loaded.set(one.session.key, one.loaded);
      const changed = round < MAX_ROUNDS ? found.filter(({ isChanged }) => isChanged) : [];
      open = await Promise.all(
        changed.map(async ({ session }) => ({ session, held: await reader.read(session) })),
      );
    }
    return sessions.map(({ key }) => loaded.get(key) as Loaded);
  }

  return {
    async one(session, signal) {
      refuseAborted(signal);
      return raceAbort(loadOne(session), signal, abortedLoad);
    },
    async many(sessions, signal) {
      refuseAborted(signal);
      return raceAbort(loadMany(sessions), signal, abortedLoad);
    },
  };
}

function abortedLoad(signal: AbortSignal): AbortedError {
  return new AbortedError('The load was aborted.', signal);
}
