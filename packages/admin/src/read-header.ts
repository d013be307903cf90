import {
  type LocatedSession,
  parseHeader,
  type RedisConnection,
  RedisError,
  SESSION_HASH,
  type SessionHeader,
  textOrNullIn,
} from '@cauce/protocol';
import { isWrongType } from './read-sessions.ts';

/**
 * What Redis holds of a session, without its state; undefined when there is none, or it cannot be read.
 *
 * @param operation what the error names
 * @throws RedisError
 */
export async function readHeader(
  { redis }: { readonly redis: RedisConnection },
  { key }: LocatedSession,
  operation: string,
): Promise<SessionHeader | undefined> {
  const reply = await redis.hget(key, SESSION_HASH.header).catch((error: unknown) => {
    if (isWrongType(error)) return null;
    throw RedisError.from(error, operation);
  });
  return parseHeader(textOrNullIn(operation, reply) ?? '');
}
