/** What a failed statement or connection shows; nothing of a row, a user or a password. */
export interface ShownFailure {
  /** SQLSTATE, the code of a socket error, or a word of our own. */
  readonly code: string;
  /** The server's or the driver's words; '' where they may quote a row or a user. */
  readonly message: string;
  /** `host:port`; undefined when it is not known. */
  readonly server: string | undefined;
}

/**
 * What went wrong, where, and what to do: the same words in the log, `/readyz`, the command line and the error. Pure.
 */
export function explainFailure({ code, message, server }: ShownFailure): string {
  const { what, remedy } = explanationOf(code, withoutUser(message));
  const where = server === undefined ? code : `${code} at ${server}`;
  return [where, what && `: ${what}`, remedy && `; ${remedy}`].filter(Boolean).join('');
}

/**
 * Whether PostgreSQL answered, and could not run the statement now: it lost a race, waited too long, or memory or disk is full.
 */
export function isBusy(code: string): boolean {
  return code !== '53300' && /^(40|53|58|25P|55P03|55006|57014)/.test(code);
}

/** PostgreSQL and poolers say whom they refused. */
function withoutUser(message: string): string {
  return message.replace(/\b(user|role) "[^"]*"/g, '$1').replace(/\b(no such user):? .*/, '$1');
}

const correctUrl = 'correct DATABASE_URL';

function explanationOf(code: string, message: string): { what: string; remedy?: string } {
  switch (code) {
    case '28P01':
      return { what: 'the user or the password is not accepted', remedy: correctUrl };
    case '28000':
      return {
        what: 'the server allows no connection for this user, host or database',
        remedy: `${correctUrl}, or pg_hba.conf and the role there`,
      };
    case '3D000':
      return { what: message, remedy: `${correctUrl}, or create the database` };
    case '42P01':
    case '42703':
    case '42883':
    case '3F000':
      return { what: message, remedy: 'run `cauce migrate`, with the same schema and table' };
    case '42501':
      return { what: message, remedy: 'grant it to the role of DATABASE_URL' };
    case '25006':
      return { what: message, remedy: 'connect to the primary' };
    case '53300':
      return { what: message, remedy: 'free connections, or raise max_connections' };
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return { what: 'the host is not known', remedy: `${correctUrl}, or the DNS` };
    case 'ECONNREFUSED':
      return { what: 'nothing listens there', remedy: `start PostgreSQL, or ${correctUrl}` };
    case 'CONNECT_TIMEOUT':
    case 'ETIMEDOUT':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return {
        what: 'no connection could be made',
        remedy: 'look at the network, and at the load of PostgreSQL',
      };
    case 'CONNECTION_LOST':
    case 'ECONNRESET':
      return { what: 'the connection broke' };
    case 'QUERY_TIMEOUT':
      return { what: 'no answer came in time' };
    case 'FILE':
      return { what: message, remedy: 'correct sslrootcert, sslcert or sslkey in DATABASE_URL' };
    case 'TLS':
      return { what: message, remedy: 'correct sslmode and sslrootcert in DATABASE_URL, or the server' };
    case 'PASSWORD':
      return { what: 'a password is required', remedy: `give one in DATABASE_URL` };
    default:
      return { what: message };
  }
}
