import { type Cluster, Redis, type RedisOptions } from 'ioredis';
import { InvalidOptionError } from './error.ts';
import { DeadlineError, RedisError, type RedisFailure, withDeadline } from './redis-failure.ts';

/** A connection of ioredis 5.11+ or 6, to one server or to a cluster. */
export type RedisConnection = Redis | Cluster;

/** A `redis://` or `rediss://` URL, ioredis options (Sentinel, TLS, …), or a connection you own. */
export type RedisSource = string | RedisOptions | RedisConnection;

export interface OpenRedis {
  readonly redis: RedisConnection;
  /** Resolves when commands can be sent. @throws RedisError after `timeoutMs`. */
  ready(timeoutMs: number): Promise<void>;
  /** Closes the connection if it was opened here; a connection that was passed in is left alone. */
  close(): Promise<void>;
}

export interface OpenRedisOptions {
  /** Shown by CLIENT LIST. */
  readonly connectionName: string;
  /** A socket that owes an answer for this long is destroyed, ms. */
  readonly answerTimeoutMs: number;
  /** Told of connection errors; ioredis goes on reconnecting. */
  readonly onError: (error: Error) => void;
}

/**
 * Opens a connection that queues nothing while disconnected and sends nothing again after a reconnect (both are
 * ioredis' defaults, and both let an old save overwrite a newer one). What was sent and held up on the way may still
 * arrive late; compare-and-set is safe against that too.
 *
 * @throws InvalidOptionError for a connection with `keyPrefix` (scripts return key names, ioredis would not
 *   strip it) or with `replyMapping: 'resp3'`.
 */
export function openRedis(source: RedisSource, options: OpenRedisOptions): OpenRedis {
  if (isConnection(source)) {
    refuseUnsupported(
      isCluster(source) ? { ...source.options.redisOptions, ...source.options } : source.options,
    );
    return { redis: source, ready: (timeoutMs) => untilReady(source, timeoutMs), close: async () => {} };
  }
  const own = {
    connectionName: options.connectionName,
    connectTimeout: 5000,
    socketTimeout: options.answerTimeoutMs,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 6), 2000) * (0.5 + Math.random() / 2),
    // After a failover the old primary answers READONLY: reconnecting finds the new one.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
    replyMapping: 'legacy',
  } satisfies RedisOptions;
  if (typeof source !== 'string') refuseUnsupported(source);
  const redis =
    typeof source === 'string' ? new Redis(parseUrl(source), own) : new Redis({ ...source, ...own });
  redis.on('error', options.onError);
  return {
    redis,
    ready: (timeoutMs) => untilReady(redis, timeoutMs),
    close: async () => {
      // Between two attempts to reconnect there is no socket, and ioredis emits no 'end' either.
      const hasSocket = redis.status !== 'end' && redis.status !== 'reconnecting';
      const ended = hasSocket
        ? new Promise<void>((resolve) => redis.once('end', () => resolve()))
        : undefined;
      redis.disconnect();
      await ended;
    },
  };
}

/** `redis://user:secret@host:6379/0` → `redis://host:6379/0`: what may be printed. */
export function withoutCredentials(url: string): string {
  try {
    const parsed = new URL(url);
    // An unescaped # or / in a password ends the host early, and leaves the rest of it in what follows.
    if (`${parsed.pathname}${parsed.search}${parsed.hash}`.includes('@'))
      return '(a URL that needs escaping)';
    parsed.username = '';
    parsed.password = '';
    parsed.search = '';
    parsed.hash = '';
    return parsed.toString();
  } catch {
    return '(not a URL)';
  }
}

function isConnection(source: RedisSource): source is RedisConnection {
  return typeof source === 'object' && 'defineCommand' in source;
}

function refuseUnsupported(options: RedisOptions): void {
  if (options.keyPrefix) {
    throw new InvalidOptionError(
      "The Redis connection has ioredis' keyPrefix; use Cauce's keyPrefix option instead.",
    );
  }
  if (options.replyMapping === 'resp3') {
    throw new InvalidOptionError("The Redis connection has replyMapping 'resp3'; leave it at 'legacy'.");
  }
}

// Not instanceof: the connection may come from another copy of ioredis.
function isCluster(redis: RedisConnection): redis is Cluster {
  return 'nodes' in redis;
}

function parseUrl(url: string): string {
  if (!/^rediss?:\/\//.test(url)) {
    throw new InvalidOptionError(
      `The Redis URL ${withoutCredentials(url)} does not start with redis:// or rediss://.`,
    );
  }
  return url;
}

const notConnected: RedisFailure = { effect: 'refused', retryable: true, reason: 'NOT_CONNECTED' };

function closed(): RedisError {
  return new RedisError('The Redis connection was closed.', notConnected);
}

async function untilReady(redis: RedisConnection, timeoutMs: number): Promise<void> {
  if (redis.status === 'ready') return;
  if (redis.status === 'end') throw closed();
  let lastError: Error | undefined;
  let onReady = (): void => {};
  let onEnd = (): void => {};
  const onError = (error: Error): void => {
    lastError = error;
  };
  const ready = new Promise<void>((resolve, reject) => {
    onReady = resolve;
    onEnd = () => reject(closed());
    redis.once('ready', onReady);
    redis.once('end', onEnd);
    redis.on('error', onError);
    if (redis.status === 'wait') redis.connect().catch(onError);
  });
  try {
    await withDeadline(ready, timeoutMs);
  } catch (error) {
    if (!(error instanceof DeadlineError)) throw error;
    throw new RedisError(
      `Redis could not be reached within ${timeoutMs} ms.`,
      notConnected,
      lastError ?? error,
    );
  } finally {
    redis.off('ready', onReady);
    redis.off('end', onEnd);
    redis.off('error', onError);
  }
}
