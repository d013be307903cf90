import { Cluster, Redis } from 'ioredis';
import { backoffMs } from '../backoff.ts';
import { hostClocks } from '../clocks.ts';
import { InvalidOptionError } from '../error.ts';
import { ErrorCause } from '../error-cause.ts';
import { isLocalHost } from '../plain-text.ts';
import { REDIS_CONNECTION_BACKOFF, SENTINEL_RETRY_MS } from '../retry-pauses.ts';
import { refuseClusterConnection, refuseConnection, refuseOptions } from './connection-options.ts';
import { explainConnectFailure } from './explain-failure.ts';
import { DeadlineError, RedisError, type RedisFailure, withDeadline } from './failure.ts';
import type { ClusterOptions, RedisOptions } from './ioredis-options.ts';
import { outliveErrors } from './outlive-errors.ts';
import { isCluster, type RedisConnection } from './redis-connection.ts';
import { type RedisTls, type RedisTlsFiles, readRedisTls } from './tls.ts';
import { parseRedisUrl, type RedisTarget } from './url.ts';

/**
 * A URL (`redis://`, `redis+sentinel://`, `redis+cluster://`; `rediss` for TLS), ioredis options that say how the
 * server is reached (`tls`, `sentinelPassword` and the like), or a connection you own.
 */
export type RedisSource = string | RedisOptions | RedisConnection;

export interface OpenRedis {
  readonly redis: RedisConnection;
  /** Other hosts that sessions travel to unencrypted. Of a connection that was passed in: not known, none. */
  readonly plainTextHosts: readonly string[];
  /**
   * Resolves when commands can be sent.
   *
   * @throws RedisError after `timeoutMs`
   * @throws InvalidOptionError when the server refuses the database that was asked for
   */
  ready(timeoutMs: number): Promise<void>;
  /** Closes the connection if it was opened here; a connection that was passed in is left alone. */
  close(): Promise<void>;
}

export interface OpenRedisOptions {
  /** Shown by CLIENT LIST. */
  readonly connectionName: string;
  /** A socket is destroyed after waiting this long for an answer, ms. */
  readonly answerTimeoutMs: number;
  /** Only with a `rediss` URL. */
  readonly tlsFiles?: RedisTlsFiles | undefined;
  /** Told of connection errors, without what the command held; ioredis goes on reconnecting. */
  readonly onError: (error: Error) => void;
}

/**
 * Opens a connection that queues nothing while disconnected and sends nothing again after a reconnect (both are
 * ioredis' defaults, and both let an old save overwrite a newer one). What was sent and held up on the way may still
 * arrive late; compare-and-set is safe against that too.
 *
 * A failover is followed without help: through sentinels as soon as they announce it, in a cluster by its redirections.
 *
 * A server that refuses the database is never used: ioredis would go on with database 0.
 *
 * @throws InvalidOptionError for a URL of another form; for anything in the URL, the options or the connection that
 *   would send a save twice or late, read from a replica, or change keys and answers; for TLS files that cannot be used
 */
export function openRedis(source: RedisSource, options: OpenRedisOptions): OpenRedis {
  if (isConnection(source)) {
    if (isCluster(source)) refuseClusterConnection(source.options);
    else refuseConnection(source.options);
    outliveErrors(source);
    refuseTlsFiles(options);
    return {
      redis: source,
      plainTextHosts: [],
      ready: (timeoutMs) => untilReady(source, timeoutMs),
      close: async () => {},
    };
  }
  const { redis, plainTextHosts } =
    typeof source === 'string' ? ofUrl(source, options) : ofOptions(source, options);
  // ioredis' own errors contain the arguments of AUTH.
  const onError = (error: unknown): void => options.onError(ErrorCause.ofDriver(error));
  redis.on('error', (error) => {
    // Before the connection is ready, so nothing is sent to another database.
    if (isRefusedDatabase(error)) redis.disconnect(true);
    onError(error);
  });
  redis.on('sentinelError', onError);
  redis.on('node error', onError);
  return {
    redis,
    plainTextHosts: plainTextHosts.filter((host) => !isLocalHost(host)),
    ready: (timeoutMs) => untilReady(redis, timeoutMs),
    close: async () => {
      // Between two attempts to reconnect there is no socket, and ioredis emits no 'end' either.
      const hasSocket = redis.status !== 'end' && redis.status !== 'reconnecting';
      const ended = hasSocket
        ? new Promise<void>((resolve) => redis.once('end', () => resolve()))
        : undefined;
      redis.disconnect();
      // Nor does it while it looks for its first node or sentinel.
      if (ended) await withDeadline(ended, CLOSE_TIMEOUT_MS).catch(() => {});
    },
  };
}

const CONNECT_TIMEOUT_MS = 5000;
const CLOSE_TIMEOUT_MS = 2000;
/** After this long a socket that the other side does not close is destroyed. */
const DISCONNECT_TIMEOUT_MS = 500;
/** So few that a save is refused before an answer is given up on, and is not applied long after. */
const MAX_REDIRECTIONS = 8;
/** How often a cluster is asked for its slots, if no redirection came before. */
const SLOTS_REFRESH_MS = 10_000;

function retryDelayMs(attempt: number): number {
  return backoffMs(REDIS_CONNECTION_BACKOFF, attempt, Math.random());
}

type Opened = Pick<OpenRedis, 'redis' | 'plainTextHosts'>;

function ofUrl(url: string, options: OpenRedisOptions): Opened {
  const target = parseRedisUrl(url);
  const tls = tlsOf(target, options);
  return { redis: connect(target, tls, options), plainTextHosts: tls ? [] : hostsOf(target) };
}

function ofOptions(source: RedisOptions, options: OpenRedisOptions): Opened {
  refuseTlsFiles(options);
  const { host = 'localhost', path, tls, sentinels } = source;
  const hosts = sentinels ? sentinels.map((sentinel) => sentinel.host ?? 'localhost') : [path ?? host];
  return { redis: single(source, options), plainTextHosts: tls ? [] : hosts };
}

function hostsOf(target: RedisTarget): string[] {
  if (target.kind === 'server') return [target.path ?? target.host];
  return (target.kind === 'sentinel' ? target.sentinels : target.nodes).map(({ host }) => host);
}

/** Undefined: no TLS. */
function tlsOf({ isTls }: RedisTarget, { tlsFiles = {} }: OpenRedisOptions): RedisTls | undefined {
  const { tls, problems } = readRedisTls(tlsFiles, { isTls });
  if (problems.length > 0) {
    throw new InvalidOptionError(
      `Redis cannot be reached by TLS: ${problems.map(({ name, message }) => `${name} ${message}`).join('; ')}.`,
    );
  }
  return isTls ? tls : undefined;
}

function refuseTlsFiles({ tlsFiles }: OpenRedisOptions): void {
  if (Object.values(tlsFiles ?? {}).some((file) => file !== undefined)) {
    throw new InvalidOptionError('TLS files need a rediss URL; with ioredis options, give tls instead.');
  }
}

function connect(target: RedisTarget, tls: RedisTls | undefined, options: OpenRedisOptions): RedisConnection {
  const { username, password, family, connectionName } = target;
  const login: RedisOptions = {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(family === undefined ? {} : { family }),
    ...(connectionName === undefined ? {} : { connectionName }),
    ...(tls ? { tls } : {}),
  };
  if (target.kind === 'server') {
    const { host, port, path, db } = target;
    return single({ ...login, host, port, db, ...(path === undefined ? {} : { path }) }, options);
  }
  if (target.kind === 'sentinel') {
    const { sentinels, masterName, db } = target;
    const byTls = tls ? { sentinelTLS: tls, enableTLSForSentinelMode: true } : {};
    return single({ ...login, ...byTls, sentinels: [...sentinels], name: masterName, db }, options);
  }
  const cluster = new Cluster([...target.nodes], clusterOptions(login, options));
  outliveErrors(cluster);
  cluster.on('ready', () => {
    for (const node of cluster.nodes()) connectSoon(node);
  });
  // Not before: ioredis asks one of them whether the cluster is ready, and does not wait for its connection.
  cluster.on('+node', (node: Redis) => {
    if (cluster.status === 'ready') connectSoon(node);
  });
  return cluster;
}

/** ioredis connects to a node with the first command for it, and refuses those that come before it is connected. */
function connectSoon(node: Redis): void {
  // Not at once: a command that was redirected here is queued, if it is the first.
  setImmediate(() => {
    if (node.status === 'wait') node.connect().catch(() => {});
  });
}

function single(source: RedisOptions, options: OpenRedisOptions): Redis {
  const own = serverOptions(options);
  refuseOptions(source, own);
  const redis = new Redis({
    ...{ connectionName: options.connectionName, ...source, ...own },
    // What it would make in its constructor could not be listened to.
    lazyConnect: true,
  });
  outliveErrors(redis);
  if (!source.lazyConnect) redis.connect().catch(() => {});
  return redis;
}

function serverOptions({ answerTimeoutMs }: OpenRedisOptions) {
  return {
    connectTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: answerTimeoutMs,
    disconnectTimeout: DISCONNECT_TIMEOUT_MS,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    retryStrategy: retryDelayMs,
    // After a failover the old primary answers READONLY: reconnecting finds the new one.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
    replyMapping: 'legacy',
    role: 'master',
    sentinelRetryStrategy: retryDelayMs,
    sentinelReconnectStrategy: () => SENTINEL_RETRY_MS,
    // Not failoverDetector: an announcement that comes while ioredis asks a sentinel ends the connection for ever. A
    // primary that hangs is left when no answer comes for `answerTimeoutMs`.
  } satisfies RedisOptions;
}

function clusterOptions(login: RedisOptions, { connectionName, answerTimeoutMs }: OpenRedisOptions) {
  return {
    scaleReads: 'master',
    enableOfflineQueue: false,
    // 0 = never: ioredis would send again what a node may have applied before it died.
    retryDelayOnFailover: 0,
    // While a slot moves, its keys may be on two nodes: ioredis tries again every 100 ms, and then says so.
    maxRedirections: MAX_REDIRECTIONS,
    clusterRetryStrategy: retryDelayMs,
    slotsRefreshInterval: SLOTS_REFRESH_MS,
    // A certificate is checked against the name, so names are left as they are.
    dnsLookup: (address, callback) => callback(null, address),
    redisOptions: {
      connectionName,
      ...login,
      // ioredis queues for a node while it connects to it: no longer than an answer is waited for.
      connectTimeout: Math.min(CONNECT_TIMEOUT_MS, answerTimeoutMs),
      socketTimeout: answerTimeoutMs,
      disconnectTimeout: DISCONNECT_TIMEOUT_MS,
      maxRetriesPerRequest: 0,
      replyMapping: 'legacy',
    },
  } satisfies ClusterOptions;
}

function isConnection(source: RedisSource): source is RedisConnection {
  return typeof source === 'object' && 'defineCommand' in source;
}

const notConnected: RedisFailure = { effect: 'refused', retryable: true, reason: 'NOT_CONNECTED' };

function closed(): RedisError {
  return new RedisError('The Redis connection was closed.', notConnected);
}

/**
 * Makes sure that a connection is with the database it was opened for: ioredis goes on with database 0 when the server
 * refuses another. Asks nothing where that is 0.
 *
 * @throws RedisError
 * @throws InvalidOptionError when the server refuses the database
 */
export async function confirmDatabase(
  redis: RedisConnection,
  { timeoutMs }: { readonly timeoutMs: number },
): Promise<void> {
  if (isCluster(redis) || !redis.options.db) return;
  try {
    await withDeadline(redis.select(redis.options.db), timeoutMs);
  } catch (error) {
    throw isRefusedDatabase(error) ? refusedDatabase(redis, error) : RedisError.from(error, 'select');
  }
}

function isRefusedDatabase(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  const { command } = error as Error & { readonly command?: { readonly name?: string } };
  // Anything else it may say of this command passes, or concerns the password.
  return command?.name === 'select' && /^(ERR|NOPERM) /.test(error.message);
}

function refusedDatabase(redis: Redis, { message }: Error): InvalidOptionError {
  return new InvalidOptionError(
    `Redis refuses database ${redis.options.db}: ${message}. Name a database that the server has, grant SELECT, or leave the number out.`,
  );
}

async function untilReady(redis: RedisConnection, timeoutMs: number): Promise<void> {
  // The host's: it goes with the timers of both steps, which are the host's too.
  const { now } = hostClocks;
  const deadlineMs = now() + timeoutMs;
  await untilConnected(redis, timeoutMs);
  const leftMs = deadlineMs - now();
  if (!isCluster(redis)) {
    await confirmDatabase(redis, { timeoutMs: leftMs });
    return;
  }
  // A primary that is away makes its own commands fail, not all of them.
  await Promise.allSettled(redis.nodes('master').map((node) => untilConnected(node, leftMs)));
}

async function untilConnected(redis: RedisConnection, timeoutMs: number): Promise<void> {
  if (redis.status === 'ready') return;
  if (redis.status === 'end') throw closed();
  let lastError: Error | undefined;
  let hadSocket = redis.status === 'connect';
  let wasClosed = false;
  const onConnect = (): void => {
    hadSocket = true;
  };
  const onClose = (): void => {
    wasClosed ||= hadSocket;
  };
  let onReady = (): void => {};
  let onEnd = (): void => {};
  let refuse = (_: Error): void => {};
  const onError = (error: Error & { lastNodeError?: Error }): void => {
    // A cluster's own error only says that no node could be asked.
    lastError = error.lastNodeError ?? error;
    if (!isCluster(redis) && isRefusedDatabase(error)) refuse(refusedDatabase(redis, error));
  };
  const ready = new Promise<void>((resolve, reject) => {
    onReady = resolve;
    onEnd = () => reject(closed());
    refuse = reject;
    redis.once('ready', onReady);
    redis.once('end', onEnd);
    redis.on('error', onError);
    redis.on('connect', onConnect);
    redis.on('close', onClose);
    if (redis.status === 'wait') redis.connect().catch(onError);
  });
  try {
    await withDeadline(ready, timeoutMs);
  } catch (error) {
    if (!(error instanceof DeadlineError)) throw error;
    const cause = lastError ?? error;
    const why = explainConnectFailure(cause, { isTls: isTls(redis), wasClosed });
    throw new RedisError(
      `${describeServer(redis)} could not be reached within ${timeoutMs} ms: ${why}.`,
      notConnected,
      ErrorCause.ofDriver(cause),
    );
  } finally {
    redis.off('ready', onReady);
    redis.off('end', onEnd);
    redis.off('error', onError);
    redis.off('connect', onConnect);
    redis.off('close', onClose);
  }
}

function isTls(redis: RedisConnection): boolean {
  return Boolean(isCluster(redis) ? redis.options.redisOptions?.tls : redis.options.tls);
}

/** No user, no password. */
function describeServer(redis: RedisConnection): string {
  if (isCluster(redis)) return 'The Redis cluster';
  const { sentinels, name, path, host, port } = redis.options;
  if (sentinels) return `The Redis primary ${name}, as the sentinels know it,`;
  return `Redis at ${path ?? `${host}:${port}`}`;
}
