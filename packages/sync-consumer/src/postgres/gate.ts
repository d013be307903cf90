import { setTimeout as delay } from 'node:timers/promises';
import { classifyPostgresFailure, type PostgresFailure } from './classify-failure.ts';

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
 * caller at a time tries. Only `enter`, `succeeded` and `failed` change the state.
 */
export type GateState =
  | { readonly kind: 'up' }
  | {
      readonly kind: 'away';
      readonly failure: PostgresFailure;
      readonly attempts: number;
      readonly retryAtMs: number;
    }
  | { readonly kind: 'probing'; readonly failure: PostgresFailure; readonly attempts: number };

export interface GateOptions {
  /** First wait after a failure, ms. Default 200. */
  readonly initialDelayMs?: number;
  /** Longest wait between two attempts, ms. Default 10,000. */
  readonly maxDelayMs?: number;
  /** Told of each change from up to not up, of each new kind of failure, and of the return. */
  readonly onChange?: (state: GateState) => void;
  /** 0 to 1, for the jitter. */
  readonly random?: () => number;
}

export class PostgresGate {
  #state: GateState = { kind: 'up' };
  #waiters: (() => void)[] = [];
  readonly #options: Required<GateOptions>;

  constructor(options: GateOptions = {}) {
    this.#options = {
      initialDelayMs: 200,
      maxDelayMs: 10_000,
      onChange: () => {},
      random: Math.random,
      ...options,
    };
  }

  get state(): GateState {
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
    for (;;) {
      const state = this.#state;
      if (state.kind === 'up') return;
      signal.throwIfAborted();
      const waitMs = state.kind === 'away' ? state.retryAtMs - Date.now() : Number.POSITIVE_INFINITY;
      if (state.kind === 'away' && waitMs <= 0) {
        this.#state = { kind: 'probing', failure: state.failure, attempts: state.attempts };
        return;
      }
      await this.#changeOr(waitMs, signal);
    }
  }

  /** Resolves when PostgreSQL is up; leaves trying to those that have something to write. @throws AbortError */
  async whenUp(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    while (!this.isUp) {
      await this.#changeOr(Number.POSITIVE_INFINITY, signal);
      signal.throwIfAborted();
    }
  }

  /**
   * Runs a statement until PostgreSQL answers it. For statements that hold no rows that could be refused: any
   * failure is one of the server. @throws AbortError
   */
  async through<T>(signal: AbortSignal, statement: () => Promise<T>): Promise<T> {
    for (;;) {
      await this.enter(signal);
      try {
        const result = await statement();
        this.succeeded();
        return result;
      } catch (error) {
        this.failed(classifyPostgresFailure(error));
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
    const { initialDelayMs, maxDelayMs, random } = this.#options;
    const delayMs =
      Math.min(initialDelayMs * 2 ** Math.min(attempts - 1, 20), maxDelayMs) * (0.5 + random() / 2);
    this.#change(
      { kind: 'away', failure, attempts, retryAtMs: Date.now() + delayMs },
      previous.kind === 'up' || previous.failure.code !== failure.code,
    );
  }

  #change(state: GateState, isNews: boolean): void {
    this.#state = state;
    for (const wake of this.#waiters.splice(0)) wake();
    if (isNews) this.#options.onChange(state);
  }

  async #changeOr(waitMs: number, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const either = AbortSignal.any([over.signal, signal]);
    const changed = new Promise<void>((resolve) => {
      this.#waiters.push(resolve);
      either.addEventListener('abort', () => resolve(), { once: true });
    });
    const timer = Number.isFinite(waitMs)
      ? delay(waitMs, undefined, { signal: either }).catch(() => {})
      : changed;
    await Promise.race([changed, timer]);
    over.abort();
  }
}
