import { serverOf } from './at-server.ts';
import { explainFailure, isBusy } from './explain-failure.ts';

/**
 * What a failed statement says about what to do next.
 *
 * - `transient`: the server or the way to it is away. Wait and repeat; the rows are not to blame.
 * - `refused`: the statement's rows are suspect. Bisect; the single row that fails is parked.
 * - `misconfigured`: a table, a grant, a password, a pooler. Stop, keep everything, say what to fix.
 */
export interface PostgresFailure {
  readonly class: 'transient' | 'refused' | 'misconfigured';
  /** SQLSTATE; the code of a socket error; `TLS`, `FILE`, `PASSWORD`, `LOCAL` for a failure on this side. */
  readonly code: string;
  /** The server says that the statement ran out of time: smaller pieces may not. */
  readonly isTimeout: boolean;
  /** The connection broke without an answer. Rows that always do that are refused in the end. */
  readonly isSocket: boolean;
  /** What went wrong, where, and what to do: no row contents, no user. */
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

/** Codes of the operating system and of Node's sockets: no row is the cause of any of them. */
const socketCode = /^(E[A-Z]+|EAI_[A-Z]+|ERR_(SOCKET|STREAM)_[A-Z_]+)$/;
/** The connection was there and broke. */
const brokenCodes = new Set(['ECONNRESET', 'ECONNABORTED', 'EPIPE']);

/** Classifies what pg rejects with. Pure; the table is in `docs/architecture.md`. */
export function classifyPostgresFailure(error: unknown): PostgresFailure {
  const { code, message, server } = readError(error);
  const onThisSide = (word: string): PostgresFailure => ({
    class: 'misconfigured',
    code: word,
    isTimeout: false,
    isSocket: false,
    summary: explainFailure({ code: word, message, server }),
  });
  const away = (word: string, { isSocket = false } = {}): PostgresFailure => ({
    class: 'transient',
    code: word,
    isTimeout: false,
    isSocket,
    summary: explainFailure({ code: word, message: '', server }),
  });
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
  if (/\bSASL\b|password must be a string/i.test(message)) return onThisSide('PASSWORD');
  if (/\bSSL\b|certificate/i.test(message)) return onThisSide('TLS');
  // Of a file that DATABASE_URL names; a socket's file is connected to.
  if (isOfFile(error)) return onThisSide('FILE');
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

/** Whether nothing can be done with PostgreSQL from here: it is away, or lets this user, host or database not in. Pure. */
export function isUnreachable({ class: failureClass, code }: PostgresFailure): boolean {
  return failureClass === 'transient' || /^(28|3D|TLS$|PASSWORD$|LOCAL$)/.test(code);
}

function isOfFile(error: unknown): boolean {
  const { syscall = '', code = '' } = (error ?? {}) as { syscall?: string; code?: string };
  // A socket is read, too.
  return ['open', 'stat'].includes(syscall) || (syscall === 'read' && code === 'EISDIR');
}

function classOf(sqlStateClass: string): PostgresFailure['class'] {
  if (transientClasses.has(sqlStateClass)) return 'transient';
  return misconfiguredClasses.has(sqlStateClass) ? 'misconfigured' : 'refused';
}

function readError(error: unknown): { code: string; message: string; server: string | undefined } {
  if (!(error instanceof Error)) return { code: '', message: '', server: undefined };
  const { code } = error as { code?: unknown };
  return { code: typeof code === 'string' ? code : '', message: error.message, server: serverOf(error) };
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
  if (failureClass === 'refused' || where) {
    const what = [constraint && `constraint ${constraint}`, table && `table ${table}`];
    return [sqlState, ...what].filter(Boolean).join(': ');
  }
  return explainFailure({ code: sqlState, message, server: serverOf(error as Error) });
}

/** One sentence that also says whether to wait or to act. Pure. */
export function describeFailure({ class: failureClass, code, summary }: PostgresFailure): string {
  if (failureClass !== 'transient') return `PostgreSQL refuses the work: ${summary}`;
  return `${isBusy(code) ? 'PostgreSQL could not run a statement' : 'PostgreSQL is away'}: ${summary}`;
}
