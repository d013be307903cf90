/**
 * Decides whether a row is at fault, or the table. A few rows that fail are parked; when many fail within a minute, a
 * constraint or a type has changed, and every session would end up parked. While it is open a refused row stays
 * pending and is tried again after the claim; the rows around it are written.
 *
 *   closed ── more first-time refusals in a minute than the limit ──► open
 *     ▲                                                                │
 *     └──────────────────── a minute without a refusal ────────────────┘
 */
export interface ParkLimiterOptions {
  /** Refused rows allowed in a minute; 5 % of the rows of that minute (at most 1,000) if that is more. */
  readonly parkLimit: number;
  /** Monotonic clock, ms. */
  readonly now: () => number;
}

const WINDOW_MS = 60_000;
const COUNTED_ROWS = 1000;
const REFUSED_SHARE = 0.05;

export class ParkLimiter {
  readonly #parkLimit: number;
  readonly #now: () => number;
  #refusedAtMs: number[] = [];
  #rows: { atMs: number; count: number }[] = [];
  #isOpen = false;

  constructor({ parkLimit, now }: ParkLimiterOptions) {
    this.#parkLimit = parkLimit;
    this.#now = now;
  }

  get isOpen(): boolean {
    this.#forgetOld();
    return this.#isOpen;
  }

  /** Rows that were written, or found outdated. */
  sawRows(count: number): void {
    this.#forgetOld();
    this.#rows.push({ atMs: this.#now(), count });
  }

  /** A row was refused: whether it may be parked. */
  mayPark(): boolean {
    this.#forgetOld();
    const rows = this.#rows.reduce((sum, { count }) => sum + count, 0);
    const limit = Math.max(this.#parkLimit, REFUSED_SHARE * Math.min(rows, COUNTED_ROWS));
    this.#isOpen ||= this.#refusedAtMs.length >= limit;
    // While it is open only the last refusal matters: it says when the minute began.
    if (this.#isOpen) this.#refusedAtMs = [];
    this.#refusedAtMs.push(this.#now());
    return !this.#isOpen;
  }

  #forgetOld(): void {
    const since = this.#now() - WINDOW_MS;
    this.#refusedAtMs = this.#refusedAtMs.filter((atMs) => atMs > since);
    this.#rows = this.#rows.filter(({ atMs }) => atMs > since);
    if (this.#refusedAtMs.length === 0) this.#isOpen = false;
  }
}
