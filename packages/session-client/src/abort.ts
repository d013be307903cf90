import { AbortedError } from './errors.ts';

/** Settles like `work`, or rejects as soon as the signal is aborted; the work itself is not undone. */
export async function raceAbort<T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
  describe: (signal: AbortSignal) => AbortedError,
): Promise<T> {
  if (!signal) return work;
  let onAbort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(describe(signal));
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** @throws AbortedError */
export function refuseAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortedBefore(signal);
}

/** For a call that has had no effect. */
export function abortedBefore(signal: AbortSignal): AbortedError {
  return new AbortedError('The call was aborted; nothing was changed.', signal);
}
