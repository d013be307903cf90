import type { SessionRow } from '@cauce/postgres';
import {
  isVersion,
  type LocatedSession,
  type RedisConnection,
  RedisError,
  textsOrNullIn,
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
    return await redis.hstrlen(key, 's');
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
        const reply = await redis.hmget(session.key, 's', 'v', 'd', 't');
        const [state, version, dirty, tombstone] = textsOrNullIn('read', reply, 4);
        if (state == null && version == null && dirty == null) return { kind: 'vanished', session };
        if (state == null || !isVersion(version) || (dirty !== '0' && dirty !== '1')) {
          return { kind: 'unreadable', session };
        }
        if (dirty === '1') return { kind: 'dirty', session };
        const row = { ref: session.ref, state: tombstone === '1' ? null : state, version };
        return { kind: 'clean', session, row };
      } catch (error) {
        if (isWrongType(error)) return { kind: 'unreadable', session };
        throw RedisError.from(error, 'read');
      }
    }),
  );
}

function isWrongType(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('WRONGTYPE');
}
