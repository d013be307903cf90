import type { HeldSession, LocatedSession } from '@cauce/protocol';
import { raceAbort, refuseAborted } from './abort.ts';
import { type ConfirmSessions, type DoubtedSession, isOf } from './confirm-sessions.ts';
import { AbortedError } from './errors.ts';
import type { Loaded } from './loaded.ts';
import type { PartitionOpener } from './partition-opener.ts';
import type { SessionReader } from './read-sessions.ts';
import type { RestoreSessions } from './restore-sessions.ts';

/**
 * What the stores hold, tombstones included. Redis is read; then a session is in one of three states, and a round takes
 * one step with all that are in the same:
 *
 *   read ─┬─► trusted ──────────────────────────► loaded   what Redis holds
 *    ▲    ├─► doubted ── confirm-sessions.ts ─┬─► loaded   the newer of what Redis holds and the row
 *    │    └─► missing ── restore-sessions.ts ─┼─► loaded   the row, which Redis keeps; or that there is no session
 *    └──────────── changed meanwhile ◄────────┘
 *
 * - trusted: saved, restored or confirmed in the present epoch. doubted: in an earlier one, so Redis may have come back
 *   older than PostgreSQL. missing: Redis does not hold it.
 * - changed meanwhile: a doubted session was saved, left Redis, or another epoch began; a missing one came to Redis, or
 *   was saved and left it again. Read again, it is not trusted before Redis was asked for the epoch.
 * - A session that changes in each of {@link MAX_ROUNDS} rounds is served as the last step read it, and not kept in
 *   Redis. No step gives what was read before the load began (P5).
 * - When the loader fails, a missing session fails the load. A doubted one is served as Redis holds it: a bot needs no
 *   PostgreSQL after a restart of Redis.
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
  const isTrusted = ({ partition }: LocatedSession, held: HeldSession): boolean =>
    isOf(opener.epochOf(partition), held);

  async function loadOne(session: LocatedSession): Promise<Loaded> {
    await opener.open([session.partition]);
    const held = await reader.read(session);
    // Nearly always; the rest is not worth its microseconds then.
    if (held && isTrusted(session, held)) return held;
    const [loaded] = await takeSteps([session], [held]);
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
        else if (round === 1 && isTrusted(session, held)) loaded.set(session.key, held);
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
