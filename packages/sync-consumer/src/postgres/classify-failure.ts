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
  /** The server says that the statement ran out of time: smaller pieces may not. */
  readonly isTimeout: boolean;
  /** The connection broke without an answer. Rows that always do that are refused in the end. */
  readonly isSocket: boolean;
  /** What an operator can read: no row contents. */
  readonly summary: string;
}

const transientClasses = new Set(['08', '40', '53', '55', '57', '58']);
const misconfiguredClasses = new Set(['0A', '28', '3D', '3F', '42', 'F0', 'XX']);

// Where a code's class says otherwise.
const exceptions = new Map<string, PostgresFailure['class']>([
  ['08P01', 'misconfigured'], // a pooler refuses a start-up parameter: it will again
  ['25006', 'transient'], // read-only: the old primary after a failover
  ['26000', 'misconfigured'], // a prepared statement behind a pooler
  ['25P02', 'transient'], // the transaction was broken by an earlier error on this connection
  ['25P03', 'transient'], // idle_in_transaction_session_timeout
  ['25P04', 'transient'], // transaction_timeout
]);

const timeouts = new Set(['57014', '25P04']);

/** Those of the operating system and of Node's sockets: whatever they are, no row is to blame. */
const socketCode = /^(E[A-Z]+|EAI_[A-Z]+|ERR_(SOCKET|STREAM)_[A-Z_]+)$/;
/** The connection was there and broke. */
const brokenCodes = new Set(['ECONNRESET', 'ECONNABORTED', 'EPIPE']);

/** Classifies what pg rejects with. Pure; the table is in `docs/architecture.md`. */
export function classifyPostgresFailure(error: unknown): PostgresFailure {
  const { code, message } = readError(error);
  // EPIPE and EPERM look like a SQLSTATE, but PostgreSQL's own all have a digit.
  if (/^(?=.*\d)[0-9A-Z]{5}$/.test(code)) {
    const failureClass = exceptions.get(code) ?? classOf(code.slice(0, 2));
    return {
      class: failureClass,
      code,
      isTimeout: timeouts.has(code),
      isSocket: false,
      summary: describe(code, failureClass, error),
    };
  }
  if (/\bSSL\b|certificate|\bSASL\b|password must be a string/i.test(message)) {
    return { class: 'misconfigured', code: 'LOCAL', isTimeout: false, isSocket: false, summary: message };
  }
  if (socketCode.test(code)) return away(code, { isSocket: brokenCodes.has(code) });
  if (/query read timeout/i.test(message)) return away('QUERY_TIMEOUT');
  if (/timeout exceeded when trying to connect|connection timeout|timeout expired/i.test(message))
    return away('CONNECT_TIMEOUT');
  if (/after calling end on the pool/i.test(message)) return away('POOL_ENDED');
  if (/connection terminated|connection ended|not queryable/i.test(message))
    return away('CONNECTION_LOST', { isSocket: true });
  return {
    class: 'refused',
    code: 'LOCAL',
    isTimeout: false,
    isSocket: false,
    summary: 'failed before it was sent',
  };
}

/**
 * Whether a code that says "the table" may mean a single row as well: a policy, a trigger or a damaged page refuses one
 * row with it. The same statement without a row tells the two apart. Pure.
 */
export function mayBeOneRow({ class: failureClass, code }: PostgresFailure): boolean {
  return code === '55000' || (failureClass === 'misconfigured' && /^(0A|42|XX|F0)...$/.test(code));
}

function away(code: string, { isSocket = false } = {}): PostgresFailure {
  return { class: 'transient', code, isTimeout: false, isSocket, summary: code };
}

function classOf(sqlStateClass: string): PostgresFailure['class'] {
  if (transientClasses.has(sqlStateClass)) return 'transient';
  return misconfiguredClasses.has(sqlStateClass) ? 'misconfigured' : 'refused';
}

function readError(error: unknown): { code: string; message: string } {
  if (!(error instanceof Error)) return { code: '', message: '' };
  const { code } = error as { code?: unknown };
  return { code: typeof code === 'string' ? code : '', message: error.message };
}

// The message of a refusal may quote a row, and a trigger may raise any code with any text: those are described
// by constraint and table alone.
function describe(sqlState: string, failureClass: PostgresFailure['class'], error: unknown): string {
  const { message, constraint, table, where } = error as Error & {
    constraint?: string;
    table?: string;
    where?: string;
  };
  // `where` is set for what a function or trigger said.
  const what =
    failureClass === 'refused' || where
      ? [constraint && `constraint ${constraint}`, table && `table ${table}`]
      : [message];
  return [sqlState, ...what].filter(Boolean).join(': ');
}
