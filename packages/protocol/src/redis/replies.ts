import { RedisError } from './failure.ts';

/**
 * Readers of what Redis answers. A proxy, or a server that is no Redis, may answer anything: what has not the form it
 * should have is not believed. Each throws RedisError with the reason `BADREPLY`; its effect is `unknown`.
 */

/** @throws RedisError when it is undefined */
export function understood<T>(call: string, reply: T | undefined): T {
  if (reply !== undefined) return reply;
  // Never the reply itself: it may hold a state.
  throw new RedisError(
    `Redis ${call} failed (BADREPLY): the answer is none that Redis gives. Is a proxy in between, or another server?`,
    { effect: 'unknown', retryable: false, reason: 'BADREPLY' },
  );
}

export function textIn(call: string, reply: unknown): string {
  return understood(call, typeof reply === 'string' ? reply : undefined);
}

export function textOrNullIn(call: string, reply: unknown): string | null {
  return reply === null ? null : textIn(call, reply);
}

/** Not negative, whole. */
export function countIn(call: string, reply: unknown): number {
  return understood(
    call,
    typeof reply === 'number' && Number.isSafeInteger(reply) && reply >= 0 ? reply : undefined,
  );
}

export function oneOf<const Word extends string>(call: string, reply: unknown, words: readonly Word[]): Word {
  return understood(
    call,
    words.find((word) => word === reply),
  );
}

/** @param length how many there are; undefined: any number */
export function listIn(call: string, reply: unknown, length?: number): readonly unknown[] {
  const isRight = Array.isArray(reply) && (length === undefined || reply.length === length);
  return understood(call, isRight ? reply : undefined);
}

export function textsIn(call: string, reply: unknown, length?: number): string[] {
  return listIn(call, reply, length).map((one) => textIn(call, one));
}

export function textsOrNullIn(call: string, reply: unknown, length?: number): (string | null)[] {
  return listIn(call, reply, length).map((one) => textOrNullIn(call, one));
}

/** Of a pipeline, one for each of its commands. @throws the first error among them, too */
export function pipelineIn(call: string, replies: unknown, length: number): unknown[] {
  return listIn(call, replies, length).map((one) => {
    const [error, reply] = listIn(call, one, 2);
    if (error) throw error as Error;
    return reply;
  });
}

/** A raw stream entry: id and flat fields; null fields when the entry was deleted while it was pending. */
export type StreamEntry = readonly [id: string, fields: readonly string[] | null];

/** Entries of a stream; null fields, or null in place of an entry: deleted while it was pending. */
export function entriesIn(call: string, reply: unknown): StreamEntry[] {
  return listIn(call, reply).flatMap((one): StreamEntry[] => {
    if (one === null) return [];
    const [id, fields] = listIn(call, one, 2);
    return [[textIn(call, id), fields === null ? null : textsIn(call, fields)]];
  });
}

/** Names and values that take turns, as XINFO and HSCAN give them. */
export function pairsIn(call: string, reply: unknown): Map<string, unknown> {
  const flat = listIn(call, reply);
  const pairs = new Map<string, unknown>();
  for (let i = 0; i < flat.length; i += 2) pairs.set(textIn(call, flat[i]), flat[i + 1]);
  return pairs;
}
