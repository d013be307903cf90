/**
 * Most sessions of a batch that Redis is asked for at a time. A call for 500 keeps it for 5 ms, and every bot waits; for
 * 100 it is 1 ms, and the calls themselves still cost little.
 */
export const SESSIONS_AT_ONCE = 100;

/** Consecutive slices of at most `size` items. Pure. */
export function* slicesOf<Item>(items: readonly Item[], size: number): Generator<Item[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size);
}
