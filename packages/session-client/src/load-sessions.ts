import type { LocatedSession, StoredSession } from '@cauce/protocol';
import { raceAbort, refuseAborted } from './abort.ts';
import type { ConfirmSessions, FoundSession } from './confirm-sessions.ts';
import { AbortedError } from './errors.ts';
import type { HeldSession, SessionReader } from './read-sessions.ts';
import type { RedisGate } from './redis-gate.ts';
import type { RestoreSessions } from './restore-sessions.ts';

/** What the stores hold, tombstones included; undefined when there is no session. */
export interface LoadSessions {
  one(session: LocatedSession, signal?: AbortSignal): Promise<StoredSession | undefined>;
  /** In the order asked; all misses are restored together. */
  many(sessions: readonly LocatedSession[], signal?: AbortSignal): Promise<(StoredSession | undefined)[]>;
}

export interface LoadDeps {
  readonly gate: RedisGate;
  readonly reader: SessionReader;
  /** Undefined: there is no PostgreSQL to ask, what is not in Redis does not exist. */
  readonly history: { readonly restore: RestoreSessions; readonly confirm: ConfirmSessions } | undefined;
}

export function createLoadSessions({ gate, reader, history }: LoadDeps): LoadSessions {
  const isTrusted = ({ partition }: LocatedSession, { epoch }: HeldSession): boolean =>
    history === undefined || epoch === gate.epochOf(partition);

  async function loadOne(session: LocatedSession): Promise<StoredSession | undefined> {
    await gate.open([session.partition]);
    const held = await reader.read(session);
    if (held && isTrusted(session, held)) return held;
    const [loaded] = await ask([session], [held]);
    return loaded;
  }

  async function loadMany(sessions: readonly LocatedSession[]): Promise<(StoredSession | undefined)[]> {
    await gate.open([...new Set(sessions.map(({ partition }) => partition))]);
    return ask(sessions, await reader.readMany(sessions));
  }

  /** Asks PostgreSQL for what Redis does not hold, or holds from an earlier epoch. */
  async function ask(
    sessions: readonly LocatedSession[],
    held: readonly (HeldSession | undefined)[],
  ): Promise<(StoredSession | undefined)[]> {
    if (!history) return [...held];
    const { restore, confirm } = history;
    const loaded = new Map<string, StoredSession | undefined>();
    const doubted: FoundSession[] = [];
    sessions.forEach((session, i) => {
      const one = held[i];
      loaded.set(session.key, one);
      if (one && !isTrusted(session, one)) doubted.push({ session, held: one });
    });
    if (doubted.length > 0) {
      const confirmed = await confirm(doubted);
      doubted.forEach(({ session }, i) => {
        loaded.set(session.key, confirmed[i]);
      });
    }
    const missing = sessions.filter(({ key }) => loaded.get(key) === undefined);
    if (missing.length > 0) {
      const restored = await restore(missing);
      missing.forEach(({ key }, i) => {
        loaded.set(key, restored[i]);
      });
    }
    return sessions.map(({ key }) => loaded.get(key));
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
