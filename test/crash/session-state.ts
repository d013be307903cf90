// What the bots save. No two states of a run are the same, so that each one tells which save made it.

export interface StateCore {
  /** Names the write that made it. */
  readonly n: string;
  /** Updates since the last save or clear. */
  readonly counter: number;
  /** The write it was made from. */
  readonly base: string | null;
}

export type CrashState = ReturnType<typeof makeState>;

export function makeState({ n, counter, base }: StateCore) {
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
