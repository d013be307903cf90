import { InvalidOptionError } from '../error.ts';
import { whyNotAllowed } from './connection-options.ts';

export interface RedisAddress {
  readonly host: string;
  readonly port: number;
}

interface RedisAccess {
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly isTls: boolean;
  /** 4 or 6; 0 for either. */
  readonly family: number | undefined;
  readonly connectionName: string | undefined;
}

/** What a Redis URL names: one server, a primary that sentinels know, or a cluster. */
export type RedisTarget = RedisAccess &
  (
    | (RedisAddress & {
        readonly kind: 'server';
        /** A unix socket, in place of host and port. */
        readonly path: string | undefined;
        readonly db: number;
      })
    | {
        readonly kind: 'sentinel';
        readonly sentinels: readonly RedisAddress[];
        readonly masterName: string;
        readonly db: number;
      }
    | { readonly kind: 'cluster'; readonly nodes: readonly RedisAddress[] }
  );

/** The forms of a Redis URL, in words. */
const REDIS_URL_FORMS =
  'redis://host:port/db, redis+sentinel://host:port,host:port/master-name or redis+cluster://host:port,host:port; rediss for TLS';

const SENTINEL_PORT = 26_379;
const REDIS_PORT = 6379;

// scheme, credentials, addresses, path, query, fragment. The last @ before a slash ends the credentials.
const urlParts =
  /^(rediss?(?:\+(?:sentinel|cluster))?):\/\/(?:([^/?#]*)@)?([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?$/s;

/** Parameters of each form's query, and what they may be. */
const everyForm = { family: /^[046]$/, connectionName: /^[\w.:-]{1,64}$/ };
const ofServer = {
  ...everyForm,
  db: /^\d{1,5}$/,
  path: /^\/\S+$/,
  username: /./s,
  password: /./s,
};

/** Pure. @throws InvalidOptionError that says what is wrong and what is allowed, and shows nothing of the URL */
export function parseRedisUrl(url: string): RedisTarget {
  const problem = redisUrlProblem(url);
  if (problem === undefined) return targetOf(url);
  throw new InvalidOptionError(`The Redis URL *** ${problem}; allowed is ${REDIS_URL_FORMS}.`);
}

/** What is wrong with a Redis URL, without any part of it that could be a secret; undefined when nothing is. Pure. */
export function redisUrlProblem(url: string): string | undefined {
  try {
    targetOf(url);
    return undefined;
  } catch (error) {
    if (error instanceof UrlProblem) return error.message;
    throw error;
  }
}

class UrlProblem extends Error {}

function targetOf(url: string): RedisTarget {
  const [, scheme, credentials, addresses = '', path = '', query = '', fragment] = urlParts.exec(url) ?? [];
  if (scheme === undefined) throw new UrlProblem('is of no known form');
  // An unescaped one of these in a password ends the host early, and leaves the rest of it in what follows.
  if (`${path}${query}${fragment ?? ''}`.includes('@')) {
    throw new UrlProblem('has a password that needs percent-encoding');
  }
  if (fragment !== undefined) throw new UrlProblem('has a # that needs percent-encoding');
  const [, kind = 'server'] = scheme.split('+');
  const parsed = addresses
    .split(',')
    .map((address) => parseAddress(address, kind === 'sentinel' ? SENTINEL_PORT : REDIS_PORT));
  const [first] = parsed;
  if (!first || !parsed.every((address) => address !== undefined)) {
    throw new UrlProblem('has an address that is not host:port');
  }
  const parameters = parseQuery(query, kind === 'server' ? ofServer : everyForm);
  const access: RedisAccess = {
    ...parseCredentials(credentials, parameters),
    isTls: scheme.startsWith('rediss'),
    family: parameters.family === undefined ? undefined : Number(parameters.family),
    connectionName: parameters.connectionName,
  };
  if (kind === 'cluster') {
    if (path !== '' && path !== '/') throw new UrlProblem('has a path; a cluster has only database 0');
    return { kind, nodes: parsed, ...access };
  }
  if (kind === 'sentinel') {
    const [, masterName, db = '0'] = /^\/([\w.-]+)(?:\/(\d{1,5}))?$/.exec(path) ?? [];
    if (masterName === undefined) {
      throw new UrlProblem('does not end with the name the sentinels know the primary by');
    }
    return { kind, sentinels: parsed, masterName, db: Number(db), ...access };
  }
  if (parsed.length > 1) throw new UrlProblem('names several servers, and neither sentinels nor a cluster');
  const [, db] = /^(?:\/(\d{1,5})?)?$/.exec(path) ?? ['', 'wrong'];
  if (db === 'wrong') throw new UrlProblem('has a path that is not the number of a database');
  if (db !== undefined && parameters.db !== undefined) throw new UrlProblem('names the database twice');
  return {
    kind: 'server',
    ...first,
    path: parameters.path,
    db: Number(db ?? parameters.db ?? '0'),
    ...access,
  };
}

/** `redis://user:secret@host:6379/0` → `redis://host:6379/0`: what may be printed of a URL of either store. */
export function withoutCredentials(url: string): string {
  const [, scheme, , addresses, path = '', query = '', fragment = ''] = urlParts.exec(url) ?? [];
  if (scheme !== undefined) {
    if (`${path}${query}${fragment}`.includes('@')) return NEEDS_ESCAPING;
    return `${scheme}://${addresses}${path}`;
  }
  try {
    const parsed = new URL(url);
    if (`${parsed.pathname}${parsed.search}${parsed.hash}`.includes('@')) return NEEDS_ESCAPING;
    parsed.username = '';
    parsed.password = '';
    parsed.search = '';
    parsed.hash = '';
    return parsed.toString();
  } catch {
    return '(not a URL)';
  }
}

const NEEDS_ESCAPING = '(a URL that needs escaping)';

type Parameters = Readonly<Partial<Record<string, string>>>;

function parseQuery(query: string, allowed: Readonly<Record<string, RegExp>>): Parameters {
  const found: Record<string, string> = {};
  for (const [name, value] of new URLSearchParams(query)) {
    const pattern = Object.hasOwn(allowed, name) ? allowed[name] : undefined;
    if (!pattern) {
      // What is no name may be the end of a password.
      const shown = /^[A-Za-z]{1,40}$/.test(name) ? name : '***';
      const names = Object.keys(allowed).join(', ');
      throw new UrlProblem(
        `has the parameter ${shown}, which it must not set: ${whyNotAllowed(name)} (allowed: ${names})`,
      );
    }
    if (!pattern.test(value) || name in found) {
      throw new UrlProblem(`has a parameter ${name} with a value that is not allowed`);
    }
    found[name] = value;
  }
  return found;
}

function parseCredentials(
  text: string | undefined,
  { username, password }: Parameters,
): Pick<RedisAccess, 'username' | 'password'> {
  if (text === undefined) return { username, password };
  if (username !== undefined || password !== undefined) throw new UrlProblem('has credentials twice');
  const colon = text.indexOf(':');
  if (colon < 0)
    throw new UrlProblem('has credentials that are not user:password (or need percent-encoding)');
  try {
    return {
      username: decodeURIComponent(text.slice(0, colon)) || undefined,
      password: decodeURIComponent(text.slice(colon + 1)) || undefined,
    };
  } catch {
    throw new UrlProblem('has credentials that need percent-encoding');
  }
}

/** `host`, `host:port` or `[IPv6]:port`. */
function parseAddress(text: string, defaultPort: number): RedisAddress | undefined {
  const [, v6, name, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([\w.-]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host = v6 ?? name;
  const number = port === undefined ? defaultPort : Number(port);
  return host === undefined || number < 1 || number > 65_535 ? undefined : { host, port: number };
}
