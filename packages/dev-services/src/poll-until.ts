import { setTimeout as sleep } from 'node:timers/promises';
import { ServerError } from './server-error.ts';

/** How often a condition is looked at when no event announces it. */
const POLL_INTERVAL_MS = 10;

/**
 * Looks at `condition` at once and then every 10 ms.
 *
 * @returns true as soon as it holds, false after `deadlineMs`. What `condition` throws is passed on.
 */
export async function pollUntil(
  condition: () => boolean | Promise<boolean>,
  deadlineMs: number,
): Promise<boolean> {
  const endsAt = performance.now() + deadlineMs;
  for (;;) {
    if (await condition()) return true;
    if (performance.now() >= endsAt) return false;
    await sleep(POLL_INTERVAL_MS);
  }
}

/**
 * Like {@link pollUntil}.
 *
 * @param failure what did not happen, for the error
 * @throws ServerError `START_FAILED` after `deadlineMs`
 */
export async function untilTrue(
  failure: string,
  deadlineMs: number,
  condition: () => Promise<boolean>,
): Promise<void> {
  if (await pollUntil(condition, deadlineMs)) return;
  throw new ServerError('START_FAILED', `${failure} within ${deadlineMs} ms.`);
}
