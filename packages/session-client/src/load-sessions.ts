import type { LocatedSession, StoredSession } from '@cauce/protocol';
import { raceAbort, refuseAborted } from './abort.ts';
import { AbortedError } from './errors.ts';
import type { SessionReader } from './read-sessions.ts';
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
  /** Undefined: what is not in Redis does not exist. */
  readonly restore: RestoreSessions | undefined;
}

export function createLoadSessions({ gate, reader, restore }: LoadDeps): LoadSessions {
  async function loadOne(session: LocatedSession): Promise<StoredSession | undefined> {
    await gate.open();
    const hit = await reader.read(session);
    if (hit || !restore) return hit;
    const [row] = await restore([session]);
    return row;
  }

  async function loadMany(sessions: readonly LocatedSession[]): Promise<(StoredSession | undefined)[]> {
    await gate.open();
    const found = await reader.readMany(sessions);
    const missing = sessions.filter((_, i) => !found[i]);
    if (missing.length === 0 || !restore) return found;
    const restored = await restore(missing);
    const rows = new Map(missing.map((session, i) => [session, restored[i]]));
    return sessions.map((session, i) => found[i] ?? rows.get(session));
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
