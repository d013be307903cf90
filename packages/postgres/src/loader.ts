import {
  ErrorCause,
  isCauceError,
  type SessionRef,
  type StoredSession,
  type TableIdentity,
  TableMismatchError,
  type Version,
} from '@cauce/protocol';
import { type BotPoolOptions, openBotPool } from './bot-pool.ts';
import type { RedisPeriod } from './session-row.ts';
import { type SelectedRow, selectOf, upsertOf } from './statements.ts';
import { inTransaction, type TransactionLimits } from './transaction.ts';
import { explainHidden, sessionsIn } from './whole-rows.ts';

export type PostgresLoaderOptions = BotPoolOptions;

export interface LoaderCall {
  /** Aborted when nobody waits any more. */
  readonly signal?: AbortSignal;
  /** The table the sessions are synced to; undefined: not known yet. */
  readonly syncedTo?: TableIdentity | undefined;
  /** Of a write: in which the session was saved in Redis. Undefined: it is written only where there are no writer modes. */
  readonly savedIn?: RedisPeriod | undefined;
}

/** What `createSessionClient` takes as its loader. */
export interface PostgresLoader extends AsyncDisposable {
  /**
   * @returns one entry for each ref, in order; undefined: there is no row
   * @throws TableMismatchError when the sessions are synced to another table; CauceError `RESTORE_FAILED` when a row may
   *   be hidden
   */
  load(refs: readonly SessionRef[], call?: LoaderCall): Promise<(StoredSession | undefined)[]>;
  /**
   * Commits one session's row unless the row is newer, or the writer mode of its partition has changed since.
   *
   * @returns the version the row has then; undefined: there is none
   * @throws TableMismatchError when the sessions are synced to another table; nothing was written
   */
  write(ref: SessionRef, session: StoredSession, call?: LoaderCall): Promise<Version | undefined>;
  /** Ends the pool if it was opened here. */
  close(): Promise<void>;
}

/**
 * Restores sessions from the sync consumer's table, many in one statement, and commits those saved with
 * `durability: 'postgres'`: for these its role needs INSERT and UPDATE, else SELECT is enough. A load fails where an
 * absent row may be a hidden one: a policy of row-level security binds the role (give it BYPASSRLS), the server is a
 * replica, or the table is a view or foreign.
 *
 * @throws InvalidOptionError for options out of their bounds
 */
export function createPostgresLoader(options: PostgresLoaderOptions): PostgresLoader {
  const { pool, statements, tableName, inTurn, close } = openBotPool(options);

  async function asked<Result>(
    signal: AbortSignal | undefined,
    work: (limits: () => TransactionLimits) => Promise<Result>,
  ): Promise<Result> {
    try {
      return await inTurn(work, signal);
    } catch (error) {
      // pg's own quotes the row it refused, and knows its connection.
      throw isCauceError(error) ? error : ErrorCause.ofDriver(error);
    }
  }

  async function select(
    refs: readonly SessionRef[],
    syncedTo: TableIdentity | undefined,
    limits: () => TransactionLimits,
  ): Promise<(StoredSession | undefined)[]> {
    // Compared only where Redis knows a table: before that, this one may not be migrated yet.
    const identify = syncedTo ? [{ text: statements.identifyTable }] : [];
    const call = { statements: [selectOf(statements, refs), ...identify], limits, mustSeeAll: true };
    const [found = [], identity] = await inTransaction(pool, call).catch((error: unknown) => {
      throw explainHidden(error);
    });
    if (syncedTo && identity?.[0]?.id !== syncedTo.id) throw mismatch(syncedTo);
    return sessionsIn(found as SelectedRow[], { asked: refs.length, tableName });
  }

  function mismatch(syncedTo: TableIdentity): TableMismatchError {
    return new TableMismatchError(
      `The loader is set to ${tableName}, and the sessions are synced to another table, ${syncedTo.name}: ` +
        'what is missing there says nothing. Give the loader the databaseUrl, schema and table of the sync consumer.',
    );
  }

  return {
    load: (refs, { signal, syncedTo } = {}) => asked(signal, (limits) => select(refs, syncedTo, limits)),
    write: (ref, { state, version, isTombstone, operations }, { signal, syncedTo, savedIn } = {}) =>
      asked(signal, async (limits) => {
        const row = { ref, state: isTombstone ? null : state, version, operations, takenIn: savedIn };
        const upsert = { statements: upsertOf(statements, [row], syncedTo?.id), limits };
        const notWritten = (await inTransaction(pool, upsert)).at(-1);
        if (notWritten?.length === 0) return version;
        const [stored] = await select([ref], syncedTo, limits);
        return stored?.version;
      }),
    close,
    [Symbol.asyncDispose]: close,
  };
}
