import { ABSENT_VERSION, CauceError, isCauceError, type Version } from '@cauce/protocol';
import type { SaveReceipt } from './save-receipt.ts';

/** The value cannot be stored, or the schema refused it. Says where and why, never what. Not retryable. */
export class StateRejectedError extends CauceError {
  /** Where the offence lies, such as `$.cart.items[2].price`; `$` is the value itself. */
  readonly path: string;
  /** What is wrong there, such as `is NaN`. */
  readonly reason: string;

  constructor(what: string, path: string, reason: string) {
    super('STATE_REJECTED', `The ${what} was rejected: ${path} ${reason}.`, { retryable: false });
    this.path = path;
    this.reason = reason;
  }
}

/** The value takes more bytes than configured (`maxStateBytes`). Not retryable. */
export class StateTooLargeError extends CauceError {
  /** Size as JSON text in UTF-8; a lower bound, because counting stops once it is too much. */
  readonly bytes: number;
  readonly maxBytes: number;

  constructor(what: string, bytes: number, maxBytes: number) {
    super(
      'STATE_TOO_LARGE',
      `The ${what} takes at least ${bytes} bytes of JSON; at most ${maxBytes} are allowed.`,
      { retryable: false },
    );
    this.bytes = bytes;
    this.maxBytes = maxBytes;
  }
}

/**
 * Too much of the tenant is not in PostgreSQL yet (`tenantBudgetBytes`); nothing was saved. Retryable: once the sync
 * consumer has synced some of it.
 */
export class TenantBudgetError extends CauceError {
  /** What the tenant has in this partition that PostgreSQL does not have. */
  readonly unsyncedBytes: number;
  /** What it may have there. */
  readonly budgetBytes: number;

  constructor(unsyncedBytes: number, budgetBytes: number) {
    super(
      'TENANT_OVER_BUDGET',
      `The session was not saved: ${unsyncedBytes} bytes of its tenant are not in PostgreSQL yet, in one partition, and ` +
        `${budgetBytes} are allowed there (tenantBudgetBytes).`,
      { retryable: true },
    );
    this.unsyncedBytes = unsyncedBytes;
    this.budgetBytes = budgetBytes;
  }
}

/** Somebody saved since `ifVersion` was read; nothing was saved. Retryable: load, apply, save again. */
export class VersionConflictError extends CauceError {
  /** The `ifVersion` that was given. */
  readonly expected: Version;
  /** The version that is there; `'0'` when there is no session. The same: it may be what Redis went back to. */
  readonly actual: Version;

  constructor(expected: Version, actual: Version) {
    const why =
      actual !== expected
        ? `is at version ${actual}, not at ${expected}`
        : expected === ABSENT_VERSION
          ? 'may have been created since it was found absent'
          : 'was loaded before Redis was restarted or promoted';
    super('VERSION_CONFLICT', `The session ${why}: load it again.`, { retryable: true });
    this.expected = expected;
    this.actual = actual;
  }
}

/** Why a save did not happen, or has no answer. */
export interface SaveFailure {
  /** `refused`: it was not applied; `unknown`: it was sent, and may have been applied. */
  readonly effect: 'refused' | 'unknown';
  /** Whether the same call may succeed later without anybody changing anything. */
  readonly retryable: boolean;
  /**
   * Redis' word for it (`OOM`, `NOT_CONNECTED`, …). Of a direct save: a SQLSTATE, the code of a socket error, or
   * `TIMEOUT`. Of both, about the writer mode of the partition: `MODE_MOVING`, nobody may save at the moment, repeat the
   * call; `MODE_DIRECT`, it is saved in PostgreSQL (`createDirectSessions`), not in Redis; `MODE_REDIS`, the other way
   * round. Nothing was saved then.
   */
  readonly reason: string;
}

/** The save did not happen. Retryable when the reason passes by itself (memory, connection, failover). */
export class SaveRejectedError extends CauceError {
  /** `effect` is always `refused`. */
  readonly failure: SaveFailure;

  constructor(failure: SaveFailure, cause: unknown, why = isCauceError(cause) ? cause.message : '') {
    super('SAVE_REJECTED', `The session was not saved (${failure.reason}).${why && ` ${why}`}`, {
      retryable: failure.retryable,
      cause,
    });
    this.failure = { ...failure, effect: 'refused' };
  }
}

/**
 * The save was sent and no answer came: it may have happened. Retryable: repeat it soon with the same `opId`, which saves
 * it if it did not happen and answers with its version if it did, as long as fewer than four other saves of the session
 * came in between (`SaveOptions.opId` says what else). Not retryable where a repetition could be applied a second time: of
 * an update, and of a save with `ifVersion` whose repetition is not recognised (`failure.reason` is `NOT_RECOGNISED`).
 * Then load the session to see its state.
 */
export class SaveUnknownError extends CauceError {
  /** Give it to the repetition. */
  readonly opId: string;
  readonly failure: SaveFailure;

  constructor(
    opId: string,
    failure: SaveFailure,
    cause: unknown,
    { isRepeatable = true }: { readonly isRepeatable?: boolean } = {},
  ) {
    const advice = isRepeatable
      ? `Repeat it soon with opId ${opId}: it is not saved twice.`
      : 'Load the session to see what it holds.';
    super('SAVE_UNKNOWN', `No answer (${failure.reason}): the save may have happened. ${advice}`, {
      retryable: isRepeatable,
      cause,
    });
    this.opId = opId;
    this.failure = failure;
  }
}

/** Of a repetition that met a conflict: it may be its own. */
export function notRecognised(opId: string, conflict: VersionConflictError): SaveUnknownError {
  const failure = { effect: 'unknown', retryable: false, reason: 'NOT_RECOGNISED' } as const;
  return new SaveUnknownError(opId, failure, conflict, { isRepeatable: false });
}

/**
 * The save was acknowledged by Redis and is on its way to PostgreSQL like any other, but that it has come as far as
 * `durability` asked is not known. Retryable: repeating it soon with the receipt's `opId` saves nothing again and waits
 * again, as long as it is recognised as {@link SaveUnknownError} says.
 */
export class DurabilityError extends CauceError {
  readonly durability: 'replica' | 'postgres';
  /** Of the save, as Redis acknowledged it. */
  readonly receipt: SaveReceipt;

  constructor(durability: 'replica' | 'postgres', receipt: SaveReceipt, cause: unknown) {
    const where = durability === 'replica' ? 'a replica has it' : 'PostgreSQL has it';
    super(
      'NOT_DURABLE',
      `The session was saved in Redis; that ${where} is not known. Repeat it with opId ${receipt.opId} to wait again.`,
      { retryable: true, cause },
    );
    this.durability = durability;
    this.receipt = receipt;
  }
}

/**
 * The session is not in Redis and the loader could not say whether PostgreSQL has it. Retryable, unless it reads
 * another table than the one the sessions are synced to.
 */
export class RestoreError extends CauceError {
  constructor(message: string, cause?: unknown) {
    super('RESTORE_FAILED', message, { retryable: !isMismatch(cause), cause });
  }
}

function isMismatch(cause: unknown): boolean {
  return isCauceError(cause) && cause.code === 'TABLE_MISMATCH';
}

/** The function that loads a tenant failed; nothing was cached. Retryable. */
export class TenantLoadError extends CauceError {
  constructor(cause: unknown) {
    super('TENANT_LOAD_FAILED', 'The tenant could not be loaded.', { retryable: true, cause });
  }
}

/** The client was closed. Not retryable. */
export class ClosedError extends CauceError {
  constructor() {
    super('CLOSED', 'The session client was closed.', { retryable: false });
  }
}

/** The caller's signal was aborted. Retryable. */
export class AbortedError extends CauceError {
  /** Of a save that had been sent and may still be applied; to repeat it as {@link SaveUnknownError} says. */
  readonly opId: string | undefined;

  constructor(message: string, signal: AbortSignal, opId?: string) {
    super('ABORTED', message, { retryable: true, cause: signal.reason });
    this.opId = opId;
  }
}
