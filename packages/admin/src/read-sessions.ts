import type { SessionRow } from '@cauce/postgres';
import {
  type LocatedSession,
  type RedisConnection,
  RedisError,
  SESSION_FIELDS,
  SESSION_HASH,
  sessionIn,
} from '@cauce/protocol';

/**
 * The sessions in consecutive parts whose states take at most `maxBytes` together; one that is larger is alone.
 * @throws RedisError
 */
export async function* partsByBytes(
  redis: RedisConnection,
  sessions: readonly LocatedSession[],
  maxBytes: number,
): AsyncGenerator<LocatedSession[]> {
  const sizes = await Promise.all(sessions.map(({ key }) => stateBytes(redis, key)));
  let part: LocatedSession[] = [];
  let partBytes = 0;
  for (const [i, session] of sessions.entries()) {
    const bytes = sizes[i] ?? 0;
    if (part.length > 0 && partBytes + bytes > maxBytes) {
      yield part;
      part = [];
      partBytes = 0;
    }
    part.push(session);
    partBytes += bytes;
  }
  if (part.length > 0) yield part;
}

async function stateBytes(redis: RedisConnection, key: string): Promise<number> {
  try {
    return await redis.hstrlen(key, SESSION_HASH.state);
  } catch (error) {
    if (isWrongType(error)) return 0;
    throw RedisError.from(error, 'read');
  }
}

/** What Redis holds under a session's key. */
export type HeldSession =
  | { readonly kind: 'clean'; readonly session: LocatedSession; readonly row: SessionRow }
  | { readonly kind: 'dirty' | 'vanished' | 'unreadable'; readonly session: LocatedSession };

/** Reads sessions without changing their TTL. @throws RedisError */
export function readSessions(
  redis: RedisConnection,
  sessions: readonly LocatedSession[],
): Promise<HeldSession[]> {
  return Promise.all(
    sessions.map(async (session): Promise<HeldSession> => {
      try {
        const held = sessionIn('read', await redis.hmget(session.key, ...SESSION_FIELDS));
        if (held.kind === 'absent') return { kind: 'vanished', session };
        if (held.kind === 'unreadable') return { kind: 'unreadable', session };
        if (held.isDirty) return { kind: 'dirty', session };
        const { state, version, isTombstone } = held;
        return {
          kind: 'clean',
          session,
          row: { ref: session.ref, state: isTombstone ? null : state, version },
        };
      } catch (error) {
        if (isWrongType(error)) return { kind: 'unreadable', session };
        throw RedisError.from(error, 'read');
      }
    }),
  );
}

/** Whether the value under a key is not of the type that was asked for. Pure. */
export function isWrongType(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('WRONGTYPE');
}
