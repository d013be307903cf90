import { type Keyspace, type RedisConnection, RedisError } from '@cauce/protocol';
import type { Logger } from 'pino';
import type { Queries } from '../postgres/queries.ts';
import { type ResyncDeps, resyncSessions } from './resync-sessions.ts';

export interface WatchDatabaseDeps extends ResyncDeps {
  readonly redis: RedisConnection;
  readonly keyspace: Keyspace;
  readonly queries: Pick<Queries, 'identifyDatabase'>;
  readonly logger: Logger;
}

/**
 * Compares the database and its timeline with the one the sessions were carried to last, which Redis remembers.
 * Another one may have lost commits (a standby was promoted, a backup restored), so everything in Redis is carried
 * again. Remembered only after that, so that an interruption repeats it. @throws RedisError, AbortError
 */
export async function watchDatabase(
  deps: WatchDatabaseDeps,
  { batchRows, signal }: { batchRows: number; signal: AbortSignal },
): Promise<void> {
  const { redis, keyspace, queries, logger } = deps;
  const database = await queries.identifyDatabase();
  if (database === undefined) return;
  const meta = keyspace.meta(0);
  const asked = <T>(call: Promise<T>): Promise<T> =>
    call.catch((error: unknown) => {
      throw RedisError.from(error, 'database check');
    });
  const known = await asked(redis.hget(meta, 'database'));
  if (known === database) return;
  if (known !== null) {
    logger.error(
      { known, database },
      'PostgreSQL is another database or was promoted: it may have lost commits',
    );
    const resynced = await resyncSessions(deps, { sinceVersion: '0', batchRows, signal });
    logger.warn(resynced, 'the sessions in Redis are carried again');
  }
  await asked(redis.hset(meta, 'database', database));
}
