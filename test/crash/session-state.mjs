// What the bots save. No two states of a run are the same, so that each one tells which save made it.

/**
 * @param {object} core
 * @param {string} core.n names the write that made it
 * @param {number} core.counter updates since the last save or clear
 * @param {string | null} core.base the write it was made from
 */
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
