/** How the pauses between attempts grow. */
export interface Backoff {
  /** Before the second attempt, ms; each one after it is twice as long. */
  readonly firstMs: number;
  readonly maxMs: number;
  /** Share of a pause that is left to chance, 0 to 1, so that those who failed together do not come back together. */
  readonly jitter: number;
}

/**
 * The pause after an attempt that failed, ms. Pure.
 *
 * @param attempt how many have failed, from 1
 * @param random 0 up to 1; 1 is the longest pause
 */
export function backoffMs({ firstMs, maxMs, jitter }: Backoff, attempt: number, random: number): number {
  return Math.min(firstMs * 2 ** (attempt - 1), maxMs) * (1 - jitter * (1 - random));
}
