// What the bots save. A state follows from three fields, so that the checker can tell a damaged one from a whole one.
import { isDeepStrictEqual } from 'node:util';

/**
 * @typedef {{ n: string, counter: number, base: string | null }} Core
 *   n: the write that made it; counter: updates since the last save or clear; base: the write it was made from
 * @typedef {Core & { isWhole: boolean }} Found a state as it came back from a store
 */

/** @param {Core} core */
export function makeState({ n, counter, base }) {
  const size = (n.length * 7 + n.charCodeAt(n.length - 1)) % 9;
  return {
    n,
    counter,
    base,
    texts: Array.from({ length: size }, (_, i) => `¿qué "tal"? 😀\t${n}\\${i}`),
    cart: {
      total: size / 8,
      items: Array.from({ length: size }, (_, i) => ({ id: i, isGift: i % 2 === 0 })),
    },
    'key with \u00e9 and "quotes"': size === 0 ? null : -size,
  };
}

/** @returns {Found | null} null for a tombstone */
export function describeState(state) {
  if (state === null || state === undefined) return null;
  const { n, counter, base } = state;
  return { n, counter, base, isWhole: typeof n === 'string' && isDeepStrictEqual(state, makeState(state)) };
}
