import { setTimeout as delay } from 'node:timers/promises';

export interface RepeatOptions {
  /** Pause between the end of one run and the start of the next, ms. */
  readonly everyMs: number;
  readonly signal: AbortSignal;
  /** Called when a run failed; the next one still comes. */
  readonly onError: (error: unknown) => void;
}

/** Runs a task again and again until the signal is aborted; resolves when the last run has ended. */
export async function repeat(
  task: (signal: AbortSignal) => Promise<void>,
  { everyMs, signal, onError }: RepeatOptions,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await task(signal);
    } catch (error) {
      if (!signal.aborted) onError(error);
    }
    await delay(everyMs, undefined, { signal }).catch(() => {});
  }
}
