import { createHash } from 'node:crypto';

/** SHA-256 of a state's canonical JSON, base64url. Equal for states that jsonb holds as equal. */
export type StateHash = string;

/**
 * The hash of what is stored of a state: members that are undefined are left out, `-0` is `0`.
 *
 * @throws TypeError, RangeError, or what a getter or toJSON throws, for what is not JSON
 */
export function hashState(state: unknown): StateHash {
  return hashJson(JSON.stringify(state));
}

/** The hash of a stored state. Key order, the spelling of numbers and repeated keys do not matter. @throws SyntaxError */
export function hashJson(text: string): StateHash {
  return createHash('sha256')
    .update(canonical(JSON.parse(text)))
    .digest('base64url');
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${canonical(member)}`).join()}}`;
}
