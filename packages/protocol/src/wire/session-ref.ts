import { InvalidIdError } from '../error.ts';

/** Who a session belongs to. Two different pairs never share a key or a row. */
export interface SessionRef {
  readonly tenantId: string;
  readonly userId: string;
}

/** The tenant of a session that is named by its user id alone. */
export const DEFAULT_TENANT_ID = 'default';

/** Longest id after percent-encoding, in bytes: well below what a btree entry holds (2,704). */
export const MAX_ENCODED_ID_BYTES = 256;

// encodeURIComponent leaves these alone; they are encoded too, so that no id is a glob or a quote.
const leftAlone = /[!'()*]/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const controlCharacter = /[\u0000-\u001f\u007f-\u009f]/;

/** Its own encoding: most ids are such, and are not encoded and decoded for nothing. */
function isPlain(id: string): boolean {
  return id.length <= MAX_ENCODED_ID_BYTES && /^[A-Za-z0-9_.~-]+$/.test(id);
}

/**
 * Percent-encodes one id so that it can stand between colons in a key.
 * Injective: different ids give different texts.
 *
 * @throws InvalidIdError when it is not a string, is empty, exceeds {@link MAX_ENCODED_ID_BYTES} encoded, or has
 *   control characters or lone surrogates.
 */
export function encodeId(id: string, what: 'tenant id' | 'user id'): string {
  if (typeof id !== 'string') {
    throw new InvalidIdError(`The ${what} is ${describeKind(id)}; give a string.`);
  }
  if (isPlain(id)) return id;
  if (id === '') throw new InvalidIdError(`The ${what} is empty.`);
  if (controlCharacter.test(id)) {
    throw new InvalidIdError(`The ${what} has a control character; remove or encode it.`);
  }
  let encoded: string;
  try {
    encoded = encodeURIComponent(id);
  } catch {
    throw new InvalidIdError(`The ${what} has a lone surrogate: it was cut inside a character.`);
  }
  encoded = encoded.replace(leftAlone, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  if (encoded.length > MAX_ENCODED_ID_BYTES) {
    throw new InvalidIdError(
      `The ${what} takes ${encoded.length} bytes percent-encoded; at most ${MAX_ENCODED_ID_BYTES} are allowed.`,
    );
  }
  return encoded;
}

/** Reads back what {@link encodeId} wrote; undefined for any text it would not have written. */
export function decodeId(encoded: string, what: 'tenant id' | 'user id'): string | undefined {
  if (isPlain(encoded)) return encoded;
  try {
    const id = decodeURIComponent(encoded);
    return encodeId(id, what) === encoded ? id : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Accepts a bare user id as well: it belongs to {@link DEFAULT_TENANT_ID}. The ids are not looked at.
 *
 * @throws InvalidIdError for anything else: the caller may have no types
 */
export function toSessionRef(session: SessionRef | string): SessionRef {
  if (typeof session === 'string') return { tenantId: DEFAULT_TENANT_ID, userId: session };
  if (typeof session === 'object' && session !== null && !Array.isArray(session)) return session;
  throw new InvalidIdError(
    `The session is ${describeKind(session)}; give a user id, or { tenantId, userId }.`,
  );
}

/** What was given, in words, without its value. */
export function describeKind(value: unknown): string {
  if (value === undefined || value === null) return String(value);
  const kind = Array.isArray(value) ? 'array' : typeof value;
  return `${/^[aeiou]/.test(kind) ? 'an' : 'a'} ${kind}`;
}
