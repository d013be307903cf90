import { setTimeout as delay } from 'node:timers/promises';

export type Phase = 'created' | 'opening' | 'running' | 'stopping' | 'stopped';

/**
 * The life of a consumer, which happens once.
 *
 *   created ──start──► opening ──opened──► running ──stop──► stopping ──► stopped
 *      │                  │                   │                 ▲           ▲
 *      └─────────stop─────┴───────────────────┼─────────────────┘           │
 *                         └─────fail──────────┴── `finished` rejects ───────┘
 *
 * Nothing else changes the phase. The work itself ends when `signal` is aborted, by `stop` or `fail`.
 */
export class Lifecycle {
  readonly #ending = new AbortController();
  #phase: Phase = 'created';
  #finished: Promise<void> = Promise.resolve();
  #fatal: Error | undefined;

  get phase(): Phase {
    return this.#phase;
  }

  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  /** Resolves when the work has ended; rejects with what `fail` was given. */
  get finished(): Promise<void> {
    return this.#finished;
  }

  /** Begins the work and returns at once. Does nothing the second time. */
  start(work: () => Promise<void>): void {
    if (this.#phase !== 'created') return;
    this.#phase = 'opening';
    this.#finished = this.#run(work);
    // Who asks for `finished` gets the error; without anybody it must not end the process by itself.
    this.#finished.catch(() => {});
  }

  /** The work is under way. */
  opened(): void {
    if (this.#phase === 'opening') this.#phase = 'running';
  }

  /** Ends the work because it cannot go on. */
  fail(error: Error): void {
    this.#fatal ??= error;
    this.#ending.abort();
  }

  /**
   * Ends the work and waits for it, at most `deadlineMs`; then does what is left to do. Safe to call again.
   */
  async stop(deadlineMs: number, leave: () => Promise<void>): Promise<void> {
    if (this.#phase === 'stopped') return;
    this.#phase = 'stopping';
    this.#ending.abort();
    const timer = new AbortController();
    await Promise.race([
      this.#finished.catch(() => {}),
      delay(deadlineMs, undefined, { signal: timer.signal }).catch(() => {}),
    ]);
    timer.abort();
    await leave();
    this.#phase = 'stopped';
  }

  async #run(work: () => Promise<void>): Promise<void> {
    await work();
    if (this.#fatal === undefined) return;
    this.#phase = 'stopped';
    throw this.#fatal;
  }
}
