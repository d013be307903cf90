import { CauceError } from '../error.ts';
import { ErrorCause } from '../error-cause.ts';
import { FORBIDDEN_IN_SCRIPT } from './explain-failure.ts';

/**
 * What a failed Redis call says about its effect.
 *
 * - `refused`: the server answered with an error, or the command never left: it was not applied.
 * - `unknown`: it was sent, and no answer came or none that is understood: it may have been applied.
 */
export interface RedisFailure {
  readonly effect: 'refused' | 'unknown';
  /** Whether the same call may succeed later without anybody changing anything. */
  readonly retryable: boolean;
  /** First word of the server's error (`OOM`, `LOADING`, …), or what happened to the connection. */
  readonly reason: string;
}

// Redis answers these for a condition that passes: memory, start-up, failover, slot migration, a slow script.
const passing = new Set([
  'OOM',
  'LOADING',
  'READONLY',
  'MASTERDOWN',
  'MISCONF',
  'NOREPLICAS',
  'BUSY',
  'TRYAGAIN',
  'CLUSTERDOWN',
  'MOVED',
  'ASK',
  'NOSCRIPT',
  // Of our own scripts: the partition has to be opened on this server first, or its clock set right, by a consumer.
  'NOTOPENED',
  'BADFLOOR',
]);

/** Thrown by {@link withDeadline}. */
export class DeadlineError extends Error {
  constructor(timeoutMs: number) {
    super(`no answer within ${timeoutMs} ms`);
    this.name = 'DeadlineError';
  }
}

/** Classifies what ioredis 5 and 6 reject with. Pure. */
export function classifyRedisFailure(error: unknown): RedisFailure {
  const { name = '', message = '' } = error instanceof Error ? error : {};
  if (name === 'ReplyError') {
    // A consumer creates the stream again.
    if (message.includes('exhausted the last possible ID'))
      return { effect: 'refused', retryable: true, reason: 'EXHAUSTED' };
    const reason = FORBIDDEN_IN_SCRIPT.test(message) ? 'NOPERM' : (/^[A-Z]+/.exec(message)?.[0] ?? 'ERR');
    return { effect: 'refused', retryable: passing.has(reason), reason };
  }
  if (message.includes('enableOfflineQueue options is false')) {
    return { effect: 'refused', retryable: true, reason: 'NOT_CONNECTED' };
  }
  // ioredis followed redirections and gave up. Of a cluster, only an answer that nothing was applied is followed.
  const [, redirected] =
    /^Too many Cluster redirections\. Last error: ReplyError: ([A-Z]+)/.exec(message) ?? [];
  if (redirected !== undefined)
    return { effect: 'refused', retryable: passing.has(redirected), reason: redirected };
  if (name === 'ClusterAllFailedError') {
    return { effect: 'refused', retryable: true, reason: 'NOT_CONNECTED' };
  }
  if (error instanceof DeadlineError || message === 'Command timed out') {
    return { effect: 'unknown', retryable: true, reason: 'TIMEOUT' };
  }
  return { effect: 'unknown', retryable: true, reason: 'CONNECTION_LOST' };
}

/** Rejects with {@link DeadlineError} when the call has not settled in time; the call itself is not undone. */
export function withDeadline<T>(call: Promise<T>, timeoutMs: number): Promise<T> {
  // By hand: Promise.race and finally cost four promises more, with every command.
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new DeadlineError(timeoutMs)), timeoutMs);
    call.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error as Error);
      },
    );
  });
}

/** A call to Redis failed; {@link RedisError.failure} says whether it may have had its effect. */
export class RedisError extends CauceError {
  readonly failure: RedisFailure;

  constructor(message: string, failure: RedisFailure, cause?: unknown) {
    super(failure.retryable ? 'REDIS_UNAVAILABLE' : 'REDIS_REFUSED', message, {
      retryable: failure.retryable,
      cause,
    });
    this.failure = failure;
  }

  /** Wraps what ioredis rejected with. */
  static from(error: unknown, call: string): RedisError {
    if (error instanceof RedisError) return error;
    const failure = classifyRedisFailure(error);
    const cause = ErrorCause.ofDriver(error instanceof Error ? error : new Error(String(error)));
    return new RedisError(`Redis ${call} failed (${failure.reason}): ${cause.message}`, failure, cause);
  }
}
