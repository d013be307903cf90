import { InvalidOptionError } from '../error.ts';
import type { ClusterOptions, RedisOptions } from './ioredis-options.ts';

/** What others may say about a connection to Redis, and what would break a promise. Pure. */

const repeated = 'a save that was reported unknown would be sent again later, over newer ones';
const queued = 'a save would wait for the connection and be applied late, over newer ones';
const replica = 'replicas are behind their primary';
const otherForm = 'answers would have another form than the scripts give them';

const reasons: Readonly<Record<string, string>> = {
  keyPrefix:
    "scripts return names of keys, which ioredis would not strip it from; use Cauce's own key prefix",
  maxRetriesPerRequest: repeated,
  autoResendUnfulfilledCommands: repeated,
  reconnectOnError: repeated,
  retryDelayOnFailover: 'what a dead node may have applied would be sent again',
  enableOfflineQueue: queued,
  readOnly: replica,
  role: replica,
  scaleReads: replica,
  stringNumbers: otherForm,
  replyMapping: otherForm,
  monitor: 'such a connection takes no commands',
};

/** Why a URL or options may not set this. */
export function whyNotAllowed(name: string): string {
  return reasons[name] ?? 'it is not among those known to be harmless';
}

/** They say how a server is reached. All other options say what is sent, when and how often. */
const allowedOptions: ReadonlySet<string> = new Set([
  ...['host', 'port', 'path', 'family', 'db', 'username', 'password', 'tls', 'protocol'],
  ...['sentinels', 'name', 'sentinelUsername', 'sentinelPassword', 'sentinelTLS', 'enableTLSForSentinelMode'],
  ...[
    'sentinelCommandTimeout',
    'sentinelMaxConnections',
    'updateSentinels',
    'natMap',
    'keepAlive',
    'noDelay',
    'lazyConnect',
  ],
  ...['connectionName', 'clientInfoTag', 'disableClientInfo', 'showFriendlyErrorStack'],
]);

/**
 * Refuses ioredis options that are not known to be harmless, unless they are what Cauce sets itself.
 *
 * @param own what Cauce sets
 * @throws InvalidOptionError that names them all
 */
export function refuseOptions(given: RedisOptions, own: RedisOptions): void {
  const ownValues = own as Readonly<Record<string, unknown>>;
  const problems = Object.entries(given)
    .filter(([name, value]) => value !== undefined && !allowedOptions.has(name))
    .filter(([name, value]) => value !== ownValues[name])
    .map(([name]) => `${name}: ${whyNotAllowed(name)}`);
  if (!isDatabase(given.db)) problems.push('db: it is not a whole number from 0 on');
  if (problems.length > 0) {
    throw new InvalidOptionError(
      `The ioredis options set what Cauce decides; leave it out (${problems.join('; ')}).`,
    );
  }
}

interface Rule {
  readonly name: string;
  readonly needs: string;
  readonly isSafe: boolean;
}

/**
 * Refuses a connection that breaks a promise.
 *
 * @throws InvalidOptionError that names every option at fault, why, and what it has to be
 */
export function refuseConnection(options: RedisOptions): void {
  refuseUnsafe('Redis', [
    ...commonRules(options),
    {
      name: 'maxRetriesPerRequest',
      needs: '0 (or autoResendUnfulfilledCommands false)',
      isSafe: options.maxRetriesPerRequest === 0 || options.autoResendUnfulfilledCommands === false,
    },
    { name: 'enableOfflineQueue', needs: 'false', isSafe: options.enableOfflineQueue === false },
    { name: 'readOnly', needs: 'false', isSafe: !options.readOnly },
    { name: 'role', needs: "'master'", isSafe: (options.role ?? 'master') === 'master' },
    { name: 'monitor', needs: 'false', isSafe: !options.monitor },
    { name: 'db', needs: 'a whole number from 0 on', isSafe: isDatabase(options.db) },
  ]);
}

/** ioredis' defaults: 1.6 s at most, in which a command is sent on to another node. */
const MAX_REDIRECTIONS = 16;
const MAX_REDIRECTION_DELAY_MS = 100;

/** As {@link refuseConnection}, for a cluster. */
export function refuseClusterConnection(
  options: ClusterOptions & { readonly clusterNodeRetryStrategy?: unknown },
): void {
  const node: RedisOptions = options.redisOptions ?? {};
  const reconnects = typeof options.clusterNodeRetryStrategy === 'function';
  const delays = ['retryDelayOnTryAgain', 'retryDelayOnClusterDown', 'retryDelayOnMoved'] as const;
  refuseUnsafe('Redis Cluster', [
    ...commonRules({ ...node, ...(options.keyPrefix ? { keyPrefix: options.keyPrefix } : {}) }),
    { name: 'scaleReads', needs: "'master'", isSafe: options.scaleReads === 'master' },
    { name: 'retryDelayOnFailover', needs: '0', isSafe: !((options.retryDelayOnFailover ?? 0) > 0) },
    { name: 'enableOfflineQueue', needs: 'false', isSafe: options.enableOfflineQueue === false },
    {
      name: 'maxRedirections',
      needs: `at most ${MAX_REDIRECTIONS}`,
      isSafe: (options.maxRedirections ?? 0) <= MAX_REDIRECTIONS,
    },
    ...delays.map((name) => ({
      name,
      needs: `at most ${MAX_REDIRECTION_DELAY_MS}`,
      isSafe: (options[name] ?? 0) <= MAX_REDIRECTION_DELAY_MS,
    })),
    {
      name: 'redisOptions.maxRetriesPerRequest',
      needs: '0 with a clusterNodeRetryStrategy',
      isSafe: !reconnects || node.maxRetriesPerRequest === 0,
    },
    { name: 'redisOptions.db', needs: '0, the only database of a cluster', isSafe: !node.db },
  ]);
}

function commonRules(options: RedisOptions): Rule[] {
  return [
    { name: 'keyPrefix', needs: 'empty', isSafe: !options.keyPrefix },
    { name: 'replyMapping', needs: "'legacy'", isSafe: options.replyMapping !== 'resp3' },
    { name: 'stringNumbers', needs: 'false', isSafe: !options.stringNumbers },
    { name: 'reconnectOnError', needs: 'one that never gives 2', isSafe: !sendsAgain(options) },
  ];
}

function refuseUnsafe(what: string, rules: readonly Rule[]): void {
  const broken = rules.filter(({ isSafe }) => !isSafe);
  if (broken.length === 0) return;
  const problems = broken.map(({ name, needs }) => {
    const why = reasons[name.replace('redisOptions.', '')];
    return why === undefined ? `${name} must be ${needs}` : `${name} must be ${needs}, or ${why}`;
  });
  throw new InvalidOptionError(`The ${what} connection is not safe for sessions: ${problems.join('; ')}.`);
}

function isDatabase(db: number | undefined): boolean {
  return db === undefined || (Number.isInteger(db) && db >= 0);
}

/** What Redis says of a command that it refused. */
const refusals = [
  'READONLY',
  'MASTERDOWN',
  'LOADING',
  'CLUSTERDOWN',
  'OOM',
  'BUSY',
  'MISCONF',
  'NOREPLICAS',
  'TRYAGAIN',
  'MOVED',
  'NOSCRIPT',
  'ERR',
];

/** Whether it has ioredis send a refused command again: 2 is its word for that. */
function sendsAgain({ reconnectOnError }: RedisOptions): boolean {
  if (!reconnectOnError) return false;
  return refusals.some((word) => reconnectOnError(new Error(`${word} as Redis may answer`)) === 2);
}
