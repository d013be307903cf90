import { type Keyspace, type RedisConnection, RedisError } from '@cauce/protocol';
import type { Logger } from 'pino';
import type { Queries } from '../postgres/queries.ts';
import { type ResyncDeps, resyncSessions } from './resync-sessions.ts';

export interface WatchDatabaseDeps extends ResyncDeps {
  readonly redis: RedisConnection;
  readonly keyspace: Keyspace;
  readonly queries: Pick<Queries, 'identifyDatabase'>;
  readonly logger: Logger;
  /** Monotonic clock, ms. */
  readonly now: () => number;
  /** Told when sessions were announced. */
  readonly onResynced: () => void;
}

/** A batch that was committed before the loss may be settled after it for so long, ms; then all is carried once more. */
const SETTLED_LATE_MS = 60_000;

/**
 * Compares the database and its timeline with the one the sessions were carried to last, which Redis remembers.
 * Another one may have lost commits (a standby was promoted, a backup restored), so everything in Redis is carried
 * again, and once more a minute later. Remembered only after that, so that an interruption repeats it.
 *
 *            another database            a minute later
 *   known ───────────────────► resynced ────────────────► known
 *
 * @returns what looks once, to be repeated. It throws RedisError, AbortError
 */
export function createDatabaseWatch(
  deps: WatchDatabaseDeps,
  { batchRows }: { readonly batchRows: number },
): (signal: AbortSignal) => Promise<void> {
  const { redis, keyspace, queries, logger, now, onResynced } = deps;
  const meta = keyspace.meta(0);
  let resynced: { readonly database: string; readonly againAtMs: number } | undefined;

  return async (signal) => {
    const database = await queries.identifyDatabase();
    if (database === undefined) return;
    const known = await asked(redis.hget(meta, 'database'));
    // First contact: nothing was carried before.
    if (known === null) await asked(redis.hset(meta, 'database', database));
    if (known === null || known === database) {
      resynced = undefined;
      return;
    }
    const isAgain = resynced?.database === database;
    if (resynced && isAgain && now() < resynced.againAtMs) return;
    if (!isAgain) {
      logger.error(
        { known, database },
        'PostgreSQL is another database or was promoted: it may have lost commits',
      );
    }
    const sessions = await resyncSessions(deps, { sinceVersion: '0', batchRows, signal });
    logger.warn(sessions, 'the sessions in Redis are carried again');
    onResynced();
    if (isAgain) await asked(redis.hset(meta, 'database', database));
    else resynced = { database, againAtMs: now() + SETTLED_LATE_MS };
  };
}

function asked<T>(call: Promise<T>): Promise<T> {
  return call.catch((error: unknown) => {
    throw RedisError.from(error, 'database check');
  });
}
