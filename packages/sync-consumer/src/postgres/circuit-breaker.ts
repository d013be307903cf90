import { classifyPostgresFailure, type PostgresFailure } from '@cauce/postgres';
import { type Backoff, backoffMs, POSTGRES_BACKOFF } from '@cauce/protocol';

/**
 * Whether PostgreSQL may be asked, shared by everything in this process that writes to it.
 *
 *         failed                       delay over, one caller enters
 *   up ──────────► away(failure) ─────────────────────────────────► probing(failure)
 *   ▲                   ▲                                               │    │
 *   │                   └──────────────────── failed ───────────────────┘    │
 *   └──────────────────────────────────── succeeded ─────────────────────────┘
 *
 * While it is not up nothing is read or claimed from Redis; what was taken already waits in `enter`, and one
 * caller at a time tries. When nobody is left who has something to write (they were aborted), `whenUp` lets its
 * callers read after the delay, so that there is somebody to try. Only `enter`, `succeeded` and `failed` change
 * the state.
 */
export type CircuitState =
  | { readonly kind: 'up' }
  | {
      readonly kind: 'away';
      readonly failure: PostgresFailure;
      readonly attempts: number;
      readonly retryAtMs: number;
    }
  | { readonly kind: 'probing'; readonly failure: PostgresFailure; readonly attempts: number };

export interface CircuitBreakerDeps {
  /** Monotonic clock, ms: a step of the host's own would make a pause as much longer. */
  readonly now: () => number;
}

export interface CircuitBreakerOptions {
  /** Default: 200 ms up to 10 s. */
  readonly backoff?: Backoff;
  /** Called when PostgreSQL fails for the first time, at each new kind of failure, and when it is back. */
  readonly onChange?: (state: CircuitState) => void;
  /** 0 to 1, for the jitter. */
  readonly random?: () => number;
}

export class CircuitBreaker {
  #state: CircuitState = { kind: 'up' };
  #entering = 0;
  readonly #waiters = new Set<() => void>();
  readonly #now: () => number;
  readonly #options: Required<CircuitBreakerOptions>;

  constructor({ now }: CircuitBreakerDeps, options: CircuitBreakerOptions = {}) {
    this.#now = now;
    this.#options = {
      backoff: POSTGRES_BACKOFF,
      onChange: () => {},
      random: Math.random,
      ...options,
    };
  }

  get state(): CircuitState {
    return this.#state;
  }

  get isUp(): boolean {
    return this.#state.kind === 'up';
  }

  /**
   * Resolves when the caller may ask PostgreSQL. It then reports `succeeded` or `failed`.
   * @throws AbortError when it would have to wait and the signal is aborted
   */
  async enter(signal: AbortSignal): Promise<void> {
    this.#entering++;
    try {
      for (;;) {
        const state = this.#state;
        if (state.kind === 'up') return;
        signal.throwIfAborted();
        const waitMs = state.kind === 'away' ? state.retryAtMs - this.#now() : undefined;
        if (state.kind === 'away' && state.retryAtMs <= this.#now()) {
          this.#state = { kind: 'probing', failure: state.failure, attempts: state.attempts };
          return;
        }
        await this.#changeOr(waitMs, signal);
      }
    } finally {
      this.#entering--;
    }
  }

  /** Resolves when PostgreSQL is up; leaves trying to those that have something to write. @throws AbortError */
  async whenUp(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      const state = this.#state;
      if (state.kind === 'up') return;
      const isLeftToUs = state.kind === 'away' && this.#entering === 0;
      if (isLeftToUs && state.retryAtMs <= this.#now()) return;
      await this.#changeOr(isLeftToUs ? state.retryAtMs - this.#now() : undefined, signal);
    }
  }

  /**
   * Runs a statement until PostgreSQL answers it. @throws AbortError, and what PostgreSQL refuses for its rows
   */
  async through<T>(signal: AbortSignal, statement: () => Promise<T>): Promise<T> {
    for (;;) {
      await this.enter(signal);
      try {
        const result = await statement();
        this.succeeded();
        return result;
      } catch (error) {
        const failure = classifyPostgresFailure(error);
        if (failure.class === 'refused') {
          this.succeeded();
          throw error;
        }
        this.failed(failure);
      }
    }
  }

  succeeded(): void {
    if (this.#state.kind !== 'up') this.#change({ kind: 'up' }, true);
  }

  failed(failure: PostgresFailure): void {
    const previous = this.#state;
    // Several batches may fail at once; only the first starts a wait.
    if (previous.kind === 'away') return;
    const attempts = previous.kind === 'probing' ? previous.attempts + 1 : 1;
    const { backoff, random } = this.#options;
    const delayMs = backoffMs(backoff, attempts, random());
    this.#change(
      { kind: 'away', failure, attempts, retryAtMs: this.#now() + delayMs },
      previous.kind === 'up' || previous.failure.code !== failure.code,
    );
  }

  #change(state: CircuitState, isNews: boolean): void {
    this.#state = state;
    for (const wake of [...this.#waiters]) wake();
    if (isNews) this.#options.onChange(state);
  }

  /** Resolves at the next change, when `waitMs` are over, or when the signal is aborted; leaves nothing behind. */
  #changeOr(waitMs: number | undefined, signal: AbortSignal): Promise<void> {
    // A signal of its own: many wait on one, and a listener each would look like a leak to Node.
    const aborted = AbortSignal.any([signal]);
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        aborted.removeEventListener('abort', wake);
        this.#waiters.delete(wake);
        resolve();
      };
      const timer = waitMs === undefined ? undefined : setTimeout(wake, waitMs);
      aborted.addEventListener('abort', wake);
      this.#waiters.add(wake);
    });
  }
}
