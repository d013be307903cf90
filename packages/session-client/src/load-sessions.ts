import type { HeldSession, LocatedSession } from '@cauce/protocol';
import { raceAbort, refuseAborted } from './abort.ts';
import type { Loaded } from './absence.ts';
import { type ConfirmSessions, type FoundSession, isOf } from './confirm-sessions.ts';
import { AbortedError } from './errors.ts';
import type { PartitionOpener } from './partition-opener.ts';
import type { SessionReader } from './read-sessions.ts';
import type { RestoreSessions } from './restore-sessions.ts';

/** What the stores hold, tombstones included. */
export interface LoadSessions {
  one(session: LocatedSession, signal?: AbortSignal): Promise<Loaded>;
  /** In the order asked; all misses are restored together. */
  many(sessions: readonly LocatedSession[], signal?: AbortSignal): Promise<Loaded[]>;
}

export interface LoadDeps {
  readonly opener: PartitionOpener;
  readonly reader: SessionReader;
  readonly restore: RestoreSessions;
  readonly confirm: ConfirmSessions;
}

const MAX_ROUNDS = 3;

export function createLoadSessions({ opener, reader, restore, confirm }: LoadDeps): LoadSessions {
  const isTrusted = ({ partition }: LocatedSession, held: HeldSession): boolean =>
    isOf(opener.epochOf(partition), held);

  async function loadOne(session: LocatedSession): Promise<Loaded> {
    await opener.open([session.partition]);
    const held = await reader.read(session);
    if (held && isTrusted(session, held)) return held;
    const [loaded] = await ask([session], [held]);
    return loaded as Loaded;
  }

  async function loadMany(sessions: readonly LocatedSession[]): Promise<Loaded[]> {
    await opener.open([...new Set(sessions.map(({ partition }) => partition))]);
    return ask(sessions, await reader.readMany(sessions));
  }

  /** Asks PostgreSQL for what Redis does not hold, or holds from an earlier epoch. */
  async function ask(
    sessions: readonly LocatedSession[],
    held: readonly (HeldSession | undefined)[],
  ): Promise<Loaded[]> {
    /** Undefined: a miss. */
    const loaded = new Map<string, Loaded | undefined>();
    sessions.forEach(({ key }, i) => {
      loaded.set(key, held[i]);
    });
    // A session may vanish while it is confirmed, and be there again while it is restored.
    for (let open = sessions, round = 1; open.length > 0 && round <= MAX_ROUNDS; round++) {
      const doubted = open.flatMap((session): FoundSession[] => {
        const one = loaded.get(session.key);
        return one && isHeld(one) && !isTrusted(session, one) ? [{ session, held: one }] : [];
      });
      const confirmed = doubted.length > 0 ? await confirm(doubted) : [];
      doubted.forEach(({ session }, i) => {
        loaded.set(session.key, confirmed[i]);
      });
      const missing = open.filter(({ key }) => loaded.get(key) === undefined);
      const restored = missing.length > 0 ? await restore(missing) : [];
      missing.forEach(({ key }, i) => {
        loaded.set(key, restored[i]);
      });
      open = missing.filter(({ key }) => {
        const one = loaded.get(key);
        return one !== undefined && isHeld(one);
      });
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

/** Whether Redis answered, and not PostgreSQL. */
function isHeld(loaded: Loaded): loaded is HeldSession {
  return 'savedIn' in loaded;
}
