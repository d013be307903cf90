import { setTimeout as delay } from 'node:timers/promises';
import { REDIS_RETRY_MS } from '@cauce/protocol';

export interface SyncLoopDeps {
  /** Monotonic clock, ms. */
  readonly now: () => number;
  /** How many events are in the streams. */
  readonly countEvents: () => Promise<number>;
  /** Syncs what waits. */
  readonly sync: (signal: AbortSignal) => Promise<void>;
  /** Called when a sync failed; the next one still comes. */
  readonly onError: (error: unknown) => void;
}

export interface SyncLoopOptions {
  readonly syncIntervalMs: number;
  /** With so many events, the interval is not waited for. */
  readonly earlySessions: number;
}

/** How often events are counted between two intervals. */
const EARLY_CHECK_MS = 1000;

/** Syncs at each interval, and before it when there are many events. */
export class SyncLoop {
  readonly #deps: SyncLoopDeps;
  readonly #options: SyncLoopOptions;
  #nextSyncAtMs = Number.NEGATIVE_INFINITY;

  constructor(deps: SyncLoopDeps, options: SyncLoopOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** The next look, at most EARLY_CHECK_MS away, syncs everything that waits. */
  readonly syncSoon = (): void => {
    this.#nextSyncAtMs = Number.NEGATIVE_INFINITY;
  };

  /** Resolves when the signal is aborted and the sync under way has ended. */
  async run(signal: AbortSignal): Promise<void> {
    const { now, countEvents, sync, onError } = this.#deps;
    const { syncIntervalMs, earlySessions } = this.#options;
    while (!signal.aborted) {
      let pauseMs = Math.min(syncIntervalMs, EARLY_CHECK_MS);
      try {
        if (now() >= this.#nextSyncAtMs || (await countEvents()) >= earlySessions) {
          this.#nextSyncAtMs = now() + syncIntervalMs;
          await sync(signal);
        }
        pauseMs = Math.max(1, Math.min(pauseMs, this.#nextSyncAtMs - now()));
      } catch (error) {
        if (!signal.aborted) onError(error);
        pauseMs = Math.max(pauseMs, REDIS_RETRY_MS);
      }
      await delay(pauseMs, undefined, { signal }).catch(() => {});
    }
  }
}
