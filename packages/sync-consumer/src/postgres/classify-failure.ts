/**
 * What a failed statement says about what to do next.
 *
 * - `transient`: the server or the way to it is away. Wait and repeat; the rows are not to blame.
 * - `refused`: the statement's rows are suspect. Bisect; the single row that fails is parked.
 * - `misconfigured`: a table, a grant, a password, a pooler. Stop, keep everything, say what to fix.
 */
export interface PostgresFailure {
  readonly class: 'transient' | 'refused' | 'misconfigured';
  /** SQLSTATE; the code of a socket error; `LOCAL` for a failure on this side. */
  readonly code: string;
  /** The statement ran out of time: smaller pieces may not. */
  readonly isTimeout: boolean;
  /** The connection broke without an answer. Rows that always do that are refused in the end. */
  readonly isSocket: boolean;
  /** What an operator can read: no row contents. */
  readonly summary: string;
}

const transientClasses = new Set(['08', '40', '53', '57', '58']);
const misconfiguredClasses = new Set(['0A', '28', '3D', '3F', '42', 'F0', 'XX']);

// Where a code's class says otherwise.
const exceptions = new Map<string, PostgresFailure['class']>([
  ['08P01', 'misconfigured'], // a pooler refuses a start-up parameter: it will again
  ['25006', 'transient'], // read-only: the old primary after a failover
  ['55P03', 'transient'], // lock_timeout
  ['55006', 'transient'], // object in use
  ['26000', 'misconfigured'], // a prepared statement behind a pooler
  ['25P02', 'transient'], // the transaction was broken by an earlier error on this connection
]);

const socketCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);

/** Classifies what pg rejects with. Pure; the table is in `docs/failure-modes.md`. */
export function classifyPostgresFailure(error: unknown): PostgresFailure {
  const { code, message = '' } = error instanceof Error ? (error as Error & { code?: string }) : {};
  const sqlState =
    typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && !socketCodes.has(code) ? code : undefined;
  if (sqlState !== undefined) {
    const byClass = transientClasses.has(sqlState.slice(0, 2))
      ? 'transient'
      : misconfiguredClasses.has(sqlState.slice(0, 2))
        ? 'misconfigured'
        : 'refused';
    return {
      class: exceptions.get(sqlState) ?? byClass,
      code: sqlState,
      isTimeout: sqlState === '57014',
      isSocket: false,
      summary: describe(sqlState, error),
    };
  }
  if (code !== undefined && socketCodes.has(code)) return away(code, false);
  if (/query read timeout/i.test(message)) return { ...away('QUERY_TIMEOUT', false), isTimeout: true };
  if (/timeout exceeded when trying to connect|connection timeout/i.test(message))
    return away('CONNECT_TIMEOUT', false);
  if (/connection terminated|connection ended|not queryable/i.test(message))
    return away('CONNECTION_LOST', true);
  if (/does not support SSL|certificate|self-signed|SASL|password must be a string/i.test(message)) {
    return { class: 'misconfigured', code: 'LOCAL', isTimeout: false, isSocket: false, summary: message };
  }
  return {
    class: 'refused',
    code: 'LOCAL',
    isTimeout: false,
    isSocket: false,
    summary: 'failed before it was sent',
  };

  function away(reason: string, isSocket: boolean): PostgresFailure {
    return {
      class: 'transient',
      code: reason,
      isTimeout: false,
      isSocket: isSocket || reason === 'ECONNRESET',
      summary: reason,
    };
  }
}

// A message quotes values only for data errors; those are described by constraint and table alone.
function describe(sqlState: string, error: unknown): string {
  const { message, constraint, table } = error as Error & { constraint?: string; table?: string };
  const isAboutData = ['21', '22', '23', 'P0'].includes(sqlState.slice(0, 2));
  const what = isAboutData
    ? [constraint && `constraint ${constraint}`, table && `table ${table}`]
    : [message];
  return [sqlState, ...what].filter(Boolean).join(': ');
}
