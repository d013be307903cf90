import { InvalidOptionError } from '@cauce/protocol';

const boolean = /^(true|false|0|1)$/;
const milliseconds = /^\d{1,9}$/;
const anything = /./s;

/**
 * Parameters of a PostgreSQL URL, and what they may be. In node-postgres they win over the options of the pool. So
 * a parameter that changes the encoding or form of texts, or waits longer than Cauce does, is not here.
 */
const parameters: Readonly<Record<string, RegExp>> = {
  host: anything,
  port: /^\d{1,5}$/,
  user: anything,
  password: anything,
  sslmode: /^(disable|prefer|require|verify-ca|verify-full|no-verify)$/,
  ssl: /^(true|false|0|1|no-verify)$/,
  sslrootcert: anything,
  sslcert: anything,
  sslkey: anything,
  sslnegotiation: /^(postgres|direct)$/,
  uselibpqcompat: boolean,
  application_name: anything,
  fallback_application_name: anything,
  client_encoding: /^utf-?8$/i,
  options: anything,
  statement_timeout: milliseconds,
  lock_timeout: milliseconds,
  idle_in_transaction_session_timeout: milliseconds,
  // Of libpq and of hosting services; node-postgres does nothing with them.
  connect_timeout: anything,
  channel_binding: anything,
  target_session_attrs: /^(any|read-write|primary)$/,
  gssencmode: anything,
  keepalives: anything,
  keepalives_idle: anything,
  pgbouncer: anything,
};

/**
 * What is wrong with a PostgreSQL URL, without any part of it that could be a secret; undefined when nothing is. Pure.
 */
export function databaseUrlProblem(url: string): string | undefined {
  let parsed: URL;
  try {
    // As node-postgres does it: with credentials and a unix socket there is no host.
    parsed = new URL(url.replace('@/', '@base/'));
  } catch {
    return 'cannot be read as a postgres:// URL: its port is none, or a part of it needs percent-encoding';
  }
  // An unescaped one of these in a password ends the host early, and leaves the rest of it in what follows.
  if (
    parsed.hash !== '' ||
    /@/.test(parsed.pathname) ||
    (parsed.username === '' && /@/.test(parsed.search))
  ) {
    return 'has a password that needs percent-encoding';
  }
  for (const [name, value] of parsed.searchParams) {
    const pattern = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
    if (!pattern) {
      const shown = /^[A-Za-z_]{1,40}$/.test(name) ? name : '***';
      return `has the parameter ${shown}, which is not among those allowed: ${Object.keys(parameters).join(', ')}`;
    }
    if (!pattern.test(value)) return `has a parameter ${name} with a value that is not allowed`;
  }
  return undefined;
}

/**
 * Checks a PostgreSQL URL, and has node-postgres read it before anything depends on it.
 *
 * @param read node-postgres' own reading of the URL, and of the files it names
 * @throws InvalidOptionError that shows nothing of the URL but the name of a file
 */
export function readDatabaseUrl<T>(url: string, read: (url: string) => T): T {
  const problem = databaseUrlProblem(url);
  if (problem !== undefined) throw refused(problem);
  try {
    return read(url);
  } catch (error) {
    throw refused(unreadable(error));
  }
}

/** What of a PostgreSQL URL node-postgres cannot read, such as a file it names; undefined when it reads all of it. */
export function databaseFileProblem(url: string, read: (url: string) => unknown): string | undefined {
  try {
    read(url);
    return undefined;
  } catch (error) {
    return unreadable(error);
  }
}

function unreadable(error: unknown): string {
  const { code, path } = error as { readonly code?: string; readonly path?: string };
  return path === undefined ? 'cannot be read' : `names the file ${path}, which cannot be read (${code})`;
}

function refused(problem: string): InvalidOptionError {
  return new InvalidOptionError(`The PostgreSQL URL is ***: it ${problem}.`);
}
