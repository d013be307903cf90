import { type CauceErrorCode, isCauceError, withDeadline } from '@cauce/protocol';
import { ClosedError } from './errors.ts';

/** What a call was for. `update` consists of loads and saves, which are reported as well. */
export type Operation = 'save' | 'load' | 'loadMany' | 'clear' | 'update' | 'tenant' | 'invalidateTenant';

/** One call that ended. Holds no id and no content, so all of it may become metric labels. */
export type OperationEvent = {
  readonly operation: Operation;
  /** From the call to its answer, waiting for the connection included. */
  readonly durationMs: number;
} & (
  | { readonly outcome: 'ok' }
  /** `OTHER`: the caller's own function threw. */
  | { readonly outcome: 'failed'; readonly code: CauceErrorCode | 'OTHER' }
);

/** Every public call goes through here: it is refused after close, awaited by close, and reported. */
export interface Calls {
  /** @throws ClosedError */
  run<Result>(operation: Operation, work: () => Promise<Result>): Promise<Result>;
  /** A part of a call under way: only reported, so that close lets an update finish. */
  step<Result>(operation: Operation, work: () => Promise<Result>): Promise<Result>;
  /** Aborted at the end of {@link Calls.close}. */
  readonly closing: AbortSignal;
  /** Refuses new calls and gives those under way `graceMs` to end. */
  close(graceMs: number): Promise<void>;
}

export interface CallsDeps {
  /** Monotonic clock, ms. */
  readonly now: () => number;
  readonly observe: ((event: OperationEvent) => void) | undefined;
}

export function createCalls({ now, observe }: CallsDeps): Calls {
  const underWay = new Set<Promise<unknown>>();
  const closing = new AbortController();
  let isClosed = false;

  function tell(operation: Operation, startedMs: number, failure?: { readonly error: unknown }): void {
    if (!observe) return;
    const common = { operation, durationMs: now() - startedMs };
    try {
      const reported: unknown = observe(
        failure
          ? { ...common, outcome: 'failed', code: isCauceError(failure.error) ? failure.error.code : 'OTHER' }
          : { ...common, outcome: 'ok' },
      );
      // An async observer is not what the type asks for, but its rejection must not end the process.
      if (reported instanceof Promise) reported.catch(() => {});
    } catch {
      // A failing observer must not turn a save that happened into one that seems to have failed.
    }
  }

  async function step<Result>(operation: Operation, work: () => Promise<Result>): Promise<Result> {
    const startedMs = now();
    try {
      const result = await work();
      tell(operation, startedMs);
      return result;
    } catch (error) {
      tell(operation, startedMs, { error });
      throw error;
    }
  }

  return {
    step,
    closing: closing.signal,
    async run(operation, work) {
      if (isClosed) throw new ClosedError();
      const call = step(operation, work);
      underWay.add(call);
      try {
        return await call;
      } finally {
        underWay.delete(call);
      }
    },
    async close(graceMs) {
      isClosed = true;
      await withDeadline(Promise.allSettled(underWay), graceMs).catch(() => {});
      closing.abort(new ClosedError());
    },
  };
}
