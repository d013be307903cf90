import { ErrorCause } from './error-cause.ts';

/**
 * Every error Cauce throws on purpose, and what to do about it.
 *
 * | code | retryable | meaning |
 * |---|---|---|
 * | INVALID_ID | no | a tenant or user id is empty, too long, or has control characters or lone surrogates |
 * | INVALID_OPTION | no | an option or setting is out of its bounds |
 * | STATE_REJECTED | no | the state is not JSON that PostgreSQL can store, or the schema refused it |
 * | STATE_TOO_LARGE | no | the state exceeds the configured bytes |
 * | VERSION_CONFLICT | yes | another save came in between: load, apply, save again |
 * | TENANT_OVER_BUDGET | yes | too much of the tenant is not in PostgreSQL yet; the save did not happen |
 * | SAVE_REJECTED | yes | the save did not happen |
 * | SAVE_UNKNOWN | yes | the save may have happened; repeating it with the same op id is safe |
 * | NOT_DURABLE | yes | saved in Redis; it is not known whether a replica or PostgreSQL has it |
 * | REDIS_UNAVAILABLE | yes | Redis did not answer, or answered that it cannot serve now |
 * | REDIS_REFUSED | no | Redis answered with an error that a repetition will not change |
 * | REDIS_UNSAFE | no | Redis is configured so that it may drop unsynced sessions |
 * | LAYOUT_MISMATCH | no | the data was written with another partition count, hash or protocol |
 * | TABLE_MISMATCH | no | the sessions are synced to another table of PostgreSQL |
 * | RESTORE_FAILED | yes | PostgreSQL could not be asked for a session that is not in Redis |
 * | CORRUPT_SESSION | no | what a store holds under the session's key is not a session |
 * | TENANT_LOAD_FAILED | yes | the tenant loader failed |
 * | POSTGRES_UNAVAILABLE | yes | PostgreSQL cannot be reached |
 * | POSTGRES_MISCONFIGURED | no | PostgreSQL is reachable and refuses the work: a table, a grant, a password |
 * | CLOSED | no | the client or consumer was closed |
 * | ABORTED | yes | the caller's signal was aborted before the outcome was known to matter |
 */
export const cauceErrorCodes = [
  'INVALID_ID',
  'INVALID_OPTION',
  'STATE_REJECTED',
  'STATE_TOO_LARGE',
  'VERSION_CONFLICT',
  'TENANT_OVER_BUDGET',
  'SAVE_REJECTED',
  'SAVE_UNKNOWN',
  'NOT_DURABLE',
  'REDIS_UNAVAILABLE',
  'REDIS_REFUSED',
  'REDIS_UNSAFE',
  'LAYOUT_MISMATCH',
  'TABLE_MISMATCH',
  'RESTORE_FAILED',
  'CORRUPT_SESSION',
  'TENANT_LOAD_FAILED',
  'POSTGRES_UNAVAILABLE',
  'POSTGRES_MISCONFIGURED',
  'CLOSED',
  'ABORTED',
] as const;

export type CauceErrorCode = (typeof cauceErrorCodes)[number];

/** Registered globally, so that an error of another copy of this package is still recognised. */
const brand: unique symbol = Symbol.for('@cauce/error');

export interface CauceErrorOptions {
  /** Whether the same call may succeed later without anybody changing anything. */
  readonly retryable: boolean;
  readonly cause?: unknown;
}

/**
 * Base of every error Cauce throws. It holds no state, id or secret at any depth: a `cause` that is no CauceError is a
 * copy with name, code, stack and, where it quotes nothing, message.
 */
export class CauceError extends Error {
  readonly code: CauceErrorCode;
  readonly retryable: boolean;

  constructor(code: CauceErrorCode, message: string, options: CauceErrorOptions) {
    const { cause } = options;
    super(
      message,
      cause === undefined ? undefined : { cause: isCauceError(cause) ? cause : ErrorCause.from(cause) },
    );
    this.name = new.target.name;
    this.code = code;
    this.retryable = options.retryable;
    Object.defineProperty(this, brand, { value: true });
  }
}

/** True for an error of any copy or version of this package, which `instanceof` is not. */
export function isCauceError(error: unknown): error is CauceError {
  return typeof error === 'object' && error !== null && brand in error;
}

/** A tenant or user id cannot be stored without being mistaken for another. Not retryable. */
export class InvalidIdError extends CauceError {
  constructor(message: string) {
    super('INVALID_ID', message, { retryable: false });
  }
}

/** An option or setting is out of its bounds. Not retryable. */
export class InvalidOptionError extends CauceError {
  constructor(message: string, cause?: unknown) {
    super('INVALID_OPTION', message, { retryable: false, cause });
  }
}

/** Redis is configured so that it may drop sessions PostgreSQL does not have yet. Not retryable. */
export class RedisUnsafeError extends CauceError {
  constructor(message: string) {
    super('REDIS_UNSAFE', message, { retryable: false });
  }
}

/** The data was written with another layout than this process is configured for. Not retryable. */
export class LayoutMismatchError extends CauceError {
  constructor(message: string) {
    super('LAYOUT_MISMATCH', message, { retryable: false });
  }
}

/** The sessions are synced to another table of PostgreSQL than the one that is read or written. Not retryable. */
export class TableMismatchError extends CauceError {
  constructor(message: string) {
    super('TABLE_MISMATCH', message, { retryable: false });
  }
}

/** What a store holds under a session's key is not a session. Not retryable. */
export class CorruptSessionError extends CauceError {
  constructor(message: string, cause?: unknown) {
    super('CORRUPT_SESSION', message, { retryable: false, cause });
  }
}
