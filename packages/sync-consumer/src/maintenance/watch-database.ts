import type { Queries } from '@cauce/postgres';
import {
  countIn,
  type Keyspace,
  type RedisConnection,
  RedisError,
  type TableIdentity,
  tableMismatch,
  textsOrNullIn,
} from '@cauce/protocol';
import type { Logger } from 'pino';
import { type ResyncDeps, resyncSessions } from './resync-sessions.ts';

export interface WatchDatabaseDeps extends ResyncDeps {
  readonly redis: RedisConnection;
  readonly keyspace: Keyspace;
  readonly queries: Pick<Queries, 'identifyDatabase' | 'identifyTable'>;
  readonly logger: Logger;
  /** The table the partitions were opened for; undefined before they were. */
  readonly table: () => TableIdentity | undefined;
  /** Monotonic clock, ms. */
  readonly now: () => number;
  /** Called when sessions were announced. */
  readonly onResynced: () => void;
}

/**
 * A batch that was committed before the loss may be settled after it for so long, ms; then all is synced once more.
 */
const SETTLED_LATE_MS = 60_000;

/**
 * Compares where the table lies (server, timeline, database, relation) with where the sessions were synced to last,
 * which Redis remembers, so that a restart notices too. Another place may have lost commits (a standby was promoted, a
 * backup restored), so everything in Redis is synced again, and once more a minute later. Remembered only after that,
 * so that an interruption repeats it.
 *
 *            another place               a minute later
 *   known ───────────────────► resynced ────────────────► known
 *
 * Another table has no business here: behind the same address there is a stranger. What it was given meanwhile is
 * synced again by a consumer of the right table.
 *
 * @returns what looks once, to be repeated. It throws RedisError, TableMismatchError, AbortError
 */
export function createDatabaseWatch(
  deps: WatchDatabaseDeps,
  { batchRows }: { readonly batchRows: number },
): (signal: AbortSignal) => Promise<void> {
  const { redis, keyspace, queries, logger, now, onResynced } = deps;
  const meta = keyspace.meta(0);
  let resynced: { readonly database: string; readonly againAtMs: number } | undefined;

  async function refuseAnotherTable(table: TableIdentity): Promise<void> {
    const found = await queries.identifyTable().catch(() => undefined);
    if (found === undefined || found.id === table.id) return;
    await forgetDatabase(deps);
    throw tableMismatch(keyspace.keyPrefix, { syncedTo: table, found });
  }

  return async (signal) => {
    const table = deps.table();
    if (!table) return;
    await refuseAnotherTable(table);
    const database = await queries.identifyDatabase();
    if (database === undefined) return;
    const reply = await asked(redis.hmget(meta, 'database', 'table', 'tableName'));
    const [known = null, syncedTo, name] = textsOrNullIn('database check', reply, 3);
    // An operator named another table since.
    if (syncedTo && syncedTo !== table.id) {
      throw tableMismatch(keyspace.keyPrefix, { syncedTo: { id: syncedTo, name: name ?? '' }, found: table });
    }
    // First contact: nothing was synced before. Or what an earlier release knew of this place.
    if (known === null || (known !== '' && database.startsWith(`${known}/`))) {
      countIn('database check', await asked(redis.hset(meta, 'database', database)));
      return;
    }
    if (known === database) {
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
    logger.warn(sessions, 'all sessions in Redis are synced again');
    onResynced();
    if (isAgain) countIn('database check', await asked(redis.hset(meta, 'database', database)));
    else resynced = { database, againAtMs: now() + SETTLED_LATE_MS };
  };
}

/** Has the next consumer that looks sync everything again. @throws RedisError */
export async function forgetDatabase({
  redis,
  keyspace,
}: Pick<WatchDatabaseDeps, 'redis' | 'keyspace'>): Promise<void> {
  await asked(redis.hset(keyspace.meta(0), 'database', ''));
}

function asked<T>(call: Promise<T>): Promise<T> {
  return call.catch((error: unknown) => {
    throw RedisError.from(error, 'database check');
  });
}
