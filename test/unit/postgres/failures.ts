import {
  classifyPostgresFailure,
  type PostgresFailure,
} from '../../../packages/postgres/src/classify-failure.ts';

/** What pg rejects with for a SQLSTATE, or Node for a socket error. */
export function errorOf(code: string, message = `error ${code}`): Error {
  return Object.assign(new Error(message), { code });
}

export function failureOf(code: string): PostgresFailure {
  return classifyPostgresFailure(errorOf(code));
}
