import { InvalidOptionError } from './error.ts';

export interface RedisAddress {
  readonly host: string;
  readonly port: number;
}

interface RedisLogin {
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly isTls: boolean;
}

/** What a Redis URL names: one server, a primary that sentinels know, or a cluster. */
export type RedisTarget =
  | { readonly kind: 'server'; readonly url: string }
  | (RedisLogin & {
      readonly kind: 'sentinel';
      readonly sentinels: readonly RedisAddress[];
      readonly masterName: string;
      readonly db: number;
    })
  | (RedisLogin & { readonly kind: 'cluster'; readonly nodes: readonly RedisAddress[] });

/** The forms of a Redis URL; what stands between is checked by {@link parseRedisUrl}. */
export const REDIS_URL_PATTERN: RegExp = /^rediss?(\+sentinel|\+cluster)?:\/\/\S+$/;

/** The forms of a Redis URL, in words. */
const REDIS_URL_FORMS =
  'redis://host:port, redis+sentinel://host:port,host:port/master-name or redis+cluster://host:port,host:port; rediss for TLS';

const SENTINEL_PORT = 26_379;
const REDIS_PORT = 6379;

// scheme, credentials, addresses, and what follows them. The last @ before a slash ends the credentials.
const severalHosts = /^(rediss?\+(?:sentinel|cluster):\/\/)(?:([^/?#]*)@)?([^/?#]*)(.*)$/;

/** Pure. @throws InvalidOptionError that says what is allowed, without the credentials */
export function parseRedisUrl(url: string): RedisTarget {
  if (/^rediss?:\/\//.test(url)) return { kind: 'server', url };
  const refuse = (why: string): InvalidOptionError =>
    new InvalidOptionError(`The Redis URL ${withoutCredentials(url)} ${why}; allowed is ${REDIS_URL_FORMS}.`);
  const [, scheme, credentials, addresses = '', rest = ''] = severalHosts.exec(url) ?? [];
  if (scheme === undefined) throw refuse('is of no known form');
  if (rest.includes('@')) throw refuse('has a password that needs percent-encoding');
  const isSentinel = scheme.includes('sentinel');
  const login = {
    ...parseCredentials(credentials, () => refuse('has credentials that need percent-encoding')),
    isTls: scheme.startsWith('rediss'),
  };
  const parsed = addresses
    .split(',')
    .map((address) => parseAddress(address, isSentinel ? SENTINEL_PORT : REDIS_PORT));
  if (!parsed.every((address) => address !== undefined)) throw refuse('has an address that is not host:port');
  if (!isSentinel) {
    if (rest !== '' && rest !== '/') throw refuse('has a path; a cluster has only database 0');
    return { kind: 'cluster', nodes: parsed, ...login };
  }
  const [, masterName, db = '0'] = /^\/([\w.-]+)(?:\/(\d{1,5}))?$/.exec(rest) ?? [];
  if (masterName === undefined) throw refuse('does not end with the name the sentinels know the primary by');
  return { kind: 'sentinel', sentinels: parsed, masterName, db: Number(db), ...login };
}

/** `redis://user:secret@host:6379/0` → `redis://host:6379/0`: what may be printed. */
export function withoutCredentials(url: string): string {
  const [, scheme, , addresses, rest = ''] = severalHosts.exec(url) ?? [];
  if (scheme !== undefined) {
    if (rest.includes('@')) return NEEDS_ESCAPING;
    return `${scheme}${addresses}${rest.replace(/[?#].*$/, '')}`;
  }
  try {
    const parsed = new URL(url);
    // An unescaped # or / in a password ends the host early, and leaves the rest of it in what follows.
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

function parseCredentials(
  text: string | undefined,
  malformed: () => InvalidOptionError,
): Omit<RedisLogin, 'isTls'> {
  if (text === undefined) return { username: undefined, password: undefined };
  const colon = text.indexOf(':');
  if (colon < 0) throw malformed();
  try {
    return {
      username: decodeURIComponent(text.slice(0, colon)) || undefined,
      password: decodeURIComponent(text.slice(colon + 1)) || undefined,
    };
  } catch {
    throw malformed();
  }
}

/** `host`, `host:port` or `[IPv6]:port`. */
function parseAddress(text: string, defaultPort: number): RedisAddress | undefined {
  const [, v6, name, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([\w.-]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host = v6 ?? name;
  const number = port === undefined ? defaultPort : Number(port);
  return host === undefined || number < 1 || number > 65_535 ? undefined : { host, port: number };
}
