import { CauceError, isCauceError } from '@cauce/protocol';
import pg from 'pg';
import { classifyPostgresFailure, describeFailure, type PostgresFailure } from './classify-failure.ts';

/** PostgreSQL could not do what an operation needs; {@link PostgresError.failure} says why. */
export class PostgresError extends CauceError {
  readonly failure: PostgresFailure;

  constructor(failure: PostgresFailure, cause?: unknown) {
    const isPassing = failure.class === 'transient';
    super(isPassing ? 'POSTGRES_UNAVAILABLE' : 'POSTGRES_MISCONFIGURED', describeFailure(failure), {
      retryable: isPassing,
      cause,
    });
    this.failure = failure;
  }

  /** Wraps what pg rejected with. The cause is left out: it may quote a row. */
  static from(error: unknown): PostgresError {
    return error instanceof PostgresError ? error : new PostgresError(classifyPostgresFailure(error));
  }
}

/** The error itself, unless PostgreSQL sent it: that one may quote a row. */
export function withoutRows(error: unknown): unknown {
  return error instanceof pg.DatabaseError ? PostgresError.from(error) : error;
}

/** Waits for a statement; what pg rejects with becomes a {@link PostgresError}. */
export async function asked<T>(statement: Promise<T>): Promise<T> {
  try {
    return await statement;
  } catch (error) {
    throw isCauceError(error) ? error : PostgresError.from(error);
  }
}
