import { constants } from 'node:os';

/** Somebody asked this program to end. */
export class Interruption extends Error {
  /** 130 for Ctrl-C, as shells count. */
  readonly exitCode: number;

  constructor(signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP') {
    super(`ended by ${signal}`);
    this.name = 'Interruption';
    this.exitCode = 128 + constants.signals[signal];
  }
}

/** Ctrl-C may reach a program twice: from the terminal, and from npm. */
const SAME_KEY_MS = 1000;
/** Cleaning up takes less; whatever still hangs then is ended by its guard when this process ends. */
const CLEAN_UP_MS = 8000;

/**
 * The signal is aborted with an {@link Interruption} at the first SIGINT, SIGTERM or SIGHUP, when nobody reads
 * the output any more, and when the parent process is gone. `exit` is called at a second SIGINT, and when
 * cleaning up takes too long.
 */
export function watchInterruption(program: NodeJS.Process, exit: (code: number) => void): AbortSignal {
  const controller = new AbortController();
  let interruptedAtMs: number | undefined;
  const interrupt = (signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP'): void => {
    const interruption = new Interruption(signal);
    if (interruptedAtMs === undefined) {
      interruptedAtMs = performance.now();
      setTimeout(() => exit(interruption.exitCode), CLEAN_UP_MS).unref();
      controller.abort(interruption);
    } else if (performance.now() - interruptedAtMs > SAME_KEY_MS) exit(interruption.exitCode);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) program.on(signal, () => interrupt(signal));
  for (const stream of [program.stdout, program.stderr]) stream.on('error', () => interrupt('SIGTERM'));
  if (program.channel) {
    program.once('disconnect', () => interrupt('SIGTERM'));
    // Listening would keep this program alive after its work is done.
    program.channel.unref();
  }
  return controller.signal;
}

/** Waits. @throws the signal's reason as soon as it is aborted */
export function pause(durationMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    }, durationMs);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}
