import { setTimeout as delay } from 'node:timers/promises';

/** Repeats `check` until it no longer throws; rethrows its last error after `timeoutMs`, enough for a busy machine. */
export async function eventually<T>(check: () => T | Promise<T>, timeoutMs = 30_000): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    await delay(20);
  }
}
