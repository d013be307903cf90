import { once } from 'node:events';
import { Cron } from 'croner';

export interface DailyOptions {
  /** Of the host's time zone, 0 to 23. */
  readonly hour: number;
  readonly signal: AbortSignal;
  /** Called when a run failed; the next one still comes. */
  readonly onError: (error: unknown) => void;
}

/**
 * Runs a task once a day, at a minute of this process's own so that several do not run it together. Resolves when the
 * signal is aborted; a run under way is not waited for, and is given the signal.
 */
export async function daily(
  task: (signal: AbortSignal) => Promise<void>,
  { hour, signal, onError }: DailyOptions,
): Promise<void> {
  if (signal.aborted) return;
  const minute = Math.floor(Math.random() * 60);
  const cron = new Cron(`${minute} ${hour} * * *`, { protect: true, unref: true }, async () => {
    try {
      await task(signal);
    } catch (error) {
      if (!signal.aborted) onError(error);
    }
  });
  await once(signal, 'abort');
  cron.stop();
}
