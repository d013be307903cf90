/** Recognised in errors of any copy of this package. */
const brand: unique symbol = Symbol.for('@cauce/cause');

const WITHHELD = 'message left out: it may quote a session';

/**
 * The `cause` of an error of Cauce: a copy of what was thrown that holds no state, id or secret. A driver's own
 * error contains the command's arguments, the refused row, or its connection with the password.
 *
 * The copy keeps the name, the code and the places in the stack; the message only where its form shows that it is about
 * a connection, a file or an object of the database; nothing else.
 */
export class ErrorCause extends Error {
  /** SQLSTATE, or the code of the operating system, of Node or of a library. */
  declare readonly code?: string;

  private constructor(original: Error, message: string) {
    super(message);
    const { name, code } = original as Error & { readonly code?: unknown };
    Object.defineProperty(this, 'name', { value: /^[A-Z]\w{0,60}$/.test(name) ? name : 'Error' });
    if (typeof code === 'string' && /^[A-Z0-9_]{1,60}$/.test(code)) this.code = code;
    this.stack = `${this.name}: ${message}${placesOf(original)}`;
    Object.defineProperty(this, brand, { value: true });
  }

  /** What Cauce itself has to say; without anything of a session. */
  static because(reason: string): Error {
    return new ErrorCause(new Error(reason), reason);
  }

  /** Of anything that was thrown, by whomever. */
  static from(thrown: unknown): Error {
    if (!(thrown instanceof Error)) return new ErrorCause(new Error(), WITHHELD);
    return isErrorCause(thrown) ? thrown : new ErrorCause(thrown, knownMessage(thrown) ?? WITHHELD);
  }

  /** Of what a driver threw: what it says is about the connection or the command, unless the server quotes. */
  static ofDriver(thrown: unknown): Error {
    if (!(thrown instanceof Error) || isErrorCause(thrown)) return ErrorCause.from(thrown);
    return new ErrorCause(thrown, knownMessage(thrown) ?? thrown.message);
  }
}

function isErrorCause(error: object): error is ErrorCause {
  return brand in error;
}

interface KnownError extends Error {
  readonly code?: unknown;
  readonly severity?: unknown;
  readonly syscall?: unknown;
  readonly where?: unknown;
  readonly constraint?: unknown;
  readonly table?: unknown;
}

/** Its message, if it is of a kind that quotes nothing, or without what is quoted; undefined when that is not known. */
function knownMessage(error: KnownError): string | undefined {
  const { message, name, code, severity, syscall } = error;
  if (name === 'ReplyError') return message.replace(/, with args.*$/s, '');
  if (typeof severity === 'string' && typeof code === 'string') return postgresMessage(error, code);
  if (error instanceof AggregateError) {
    return error.errors.map((one: unknown) => ErrorCause.from(one).message).join('; ');
  }
  const isOfSystem = typeof syscall === 'string' && /^E[A-Z0-9_]+$/.test(String(code));
  return isOfSystem || tlsCode.test(String(code)) || name === 'DeadlineError' ? message : undefined;
}

const tlsCode = /^(ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_)/;

/** Of SQLSTATE: connections, rights, names, resources, an operator. Their messages name objects, not rows. */
const classesWithoutRows = new Set(['08', '25', '26', '28', '3D', '3F', '40', '42', '53', '55', '57', '58']);

function postgresMessage({ message, where, constraint, table }: KnownError, code: string): string {
  // A trigger may raise any code with any text: `where` is set then.
  if (classesWithoutRows.has(code.slice(0, 2)) && where === undefined) return message;
  const names = { constraint, table };
  const known = Object.entries(names).filter(([, name]) => typeof name === 'string');
  return ['PostgreSQL refused a row', ...known.map(([what, name]) => `${what} ${String(name)}`)].join(', ');
}

/** The lines of a stack after the message. */
function placesOf({ stack = '', message }: Error): string {
  const [head = ''] = /^[A-Z]\w*(?: \[\w+\])?(?:: )?/.exec(stack) ?? [];
  const places = stack.slice(head.length + message.length);
  // It was made when the error was: a message that was changed since is still the old one there.
  return stack.startsWith(`${head}${message}\n    at `) ? places : '';
}
