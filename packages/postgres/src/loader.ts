import {
  CauceError,
  ErrorCause,
  hostClocks,
  InvalidOptionError,
  isCauceError,
  type SessionRef,
  type StoredSession,
  type TableIdentity,
  TableMismatchError,
  type Version,
  withDeadline,
} from '@cauce/protocol';
import { plainIdentifier } from '@cauce/settings';
import type pg from 'pg';
import { isPlainIdentifier } from './identifiers.ts';
import { createPool } from './pool.ts';
import { renderStatements, type SelectedRow, selectOf, upsertOf } from './statements.ts';
import { inTransaction, type TransactionLimits } from './transaction.ts';
import { createTurns } from './turns.ts';

export type PostgresLoaderOptions = (
  | {
      /**
       * A pool you own: never closed here; its 'error' events are yours to handle. With `pipeline: true` a load or a
       * write is one round trip, otherwise one for each statement of it: three or four.
       */
      readonly pool: pg.Pool;
      readonly databaseUrl?: undefined;
    }
  | {
      /** `postgres://` URL of the primary, never of a replica; PgBouncer in transaction mode works. */
      readonly databaseUrl: string;
      readonly pool?: undefined;
    }
) & {
  /** Schema of the table: a lower-case SQL identifier of at most 50 characters. Default `public`. */
  readonly schema?: string | undefined;
  /** The sync consumer's table, named in the same way. Default `session`. */
  readonly table?: string | undefined;
  /**
   * How long a load or a write may take, waiting for its turn and for a connection included, ms; then the server gives
   * up too. Default 2000; 10 to 60,000. Below the client's `leaseTtlMs`.
   */
  readonly timeoutMs?: number | undefined;
  /**
   * Statements at the same time, so that a Redis that lost its sessions does not take PostgreSQL down too; also
   * the connections of a pool opened here. Default 4; 1 to 100.
   */
  readonly maxConcurrent?: number | undefined;
  /** Called with errors of idle connections of a pool opened here; the pool heals by itself. Default: nothing is called. */
  readonly onError?: ((error: Error) => void) | undefined;
};

export interface LoaderCall {
  /** Aborted when nobody waits any more. */
  readonly signal?: AbortSignal;
  /** The table the sessions are synced to; undefined: not known yet. */
  readonly syncedTo?: TableIdentity | undefined;
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
   * Commits one session's row unless the row is newer.
   *
   * @returns the version the row has then; undefined: there is none
   * @throws TableMismatchError when the sessions are synced to another table; nothing was written
   */
  write(ref: SessionRef, session: StoredSession, call?: LoaderCall): Promise<Version | undefined>;
  /** Ends the pool if it was opened here. */
  close(): Promise<void>;
}

/** How much longer than the server itself its answer may take, ms. */
const ANSWER_GRACE_MS = 1000;
/** Of the time limit: with less of it left nothing is asked. */
const LEAST_SHARE = 0.02;
/** A table, and one that is partitioned, in `pg_class.relkind`. */
const tableKinds = ['r', 'p'];

/**
 * Restores sessions from the sync consumer's table, many in one statement, and commits those saved with
 * `durability: 'postgres'`: for these its role needs INSERT and UPDATE, else SELECT is enough. A load fails where an
 * absent row may be a hidden one: a policy of row-level security binds the role (give it BYPASSRLS), the server is a
 * replica, or the table is a view or foreign.
 *
 * @throws InvalidOptionError for options out of their bounds
 */
export function createPostgresLoader(options: PostgresLoaderOptions): PostgresLoader {
  const { schema = 'public', table = 'session', timeoutMs = 2000, maxConcurrent = 4 } = options;
  refuseInvalid(options, { schema, table, timeoutMs, maxConcurrent });
  const onIdleError = options.onError ?? (() => {});
  const pool =
    options.pool ??
    createPool({
      databaseUrl: options.databaseUrl,
      applicationName: 'cauce-session-client',
      maxConnections: maxConcurrent,
      connectTimeoutMs: timeoutMs,
      onError: (error) => onIdleError(ErrorCause.ofDriver(error)),
    });
  const turns = createTurns(maxConcurrent);
  const statements = renderStatements({ schema, table });
  const { now } = hostClocks;
  let closed: Promise<void> | undefined;

  /** The work's turn lasts until PostgreSQL has answered, even if nobody waits for the answer any more. */
  async function inTurn<Result>(
    signal: AbortSignal | undefined,
    work: (limits: () => TransactionLimits) => Promise<Result>,
  ): Promise<Result> {
    signal?.throwIfAborted();
    const untilMs = now() + timeoutMs;
    const limits = () => {
      const leftMs = Math.floor(untilMs - now());
      if (leftMs < 1) throw new Error('No connection was free in time.');
      // The server gives up when the caller does: a backend that waits for a lock does not notice that nobody waits
      // for it.
      return { statementTimeoutMs: leftMs, answerTimeoutMs: leftMs + ANSWER_GRACE_MS };
    };
    const turn = turns.take();
    const answer = turn.came
      .then(() => {
        // The server gives those before up at the same moment as their callers, and these may be about to give up, too.
        if (untilMs - now() < LEAST_SHARE * timeoutMs) throw new Error('Its turn did not come in time.');
        return work(limits);
      })
      .finally(turn.leave);
    try {
      return await withDeadline(answer, timeoutMs);
    } catch (error) {
      // pg's own quotes the row it refused, and knows its connection.
      throw isCauceError(error) ? error : ErrorCause.ofDriver(error);
    } finally {
      turn.giveUp();
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
      throw explained(error);
    });
    if (syncedTo && identity?.[0]?.id !== syncedTo.id) throw mismatch(syncedTo);
    const sessions = new Array<StoredSession | undefined>(refs.length).fill(undefined);
    for (const { position, state, version, relation_kind } of found as SelectedRow[]) {
      if (!tableKinds.includes(relation_kind)) throw notATable();
      if (version !== null) sessions[position] = { state: state ?? '', version, isTombstone: state === null };
    }
    return sessions;
  }

  function mismatch(syncedTo: TableIdentity): TableMismatchError {
    return new TableMismatchError(
      `The loader is set to ${schema}.${table}, and the sessions are synced to another table, ${syncedTo.name}: ` +
        'what is missing there says nothing. Give the loader the databaseUrl, schema and table of the sync consumer.',
    );
  }

  function notATable(): CauceError {
    return restoreFailed(
      `"${schema}"."${table}" is not a table: a view, or a foreign table, may leave sessions out.`,
    );
  }

  const close = (): Promise<void> => {
    closed ??= options.pool ? Promise.resolve() : pool.end();
    return closed;
  };

  return {
    load: (refs, { signal, syncedTo } = {}) => inTurn(signal, (limits) => select(refs, syncedTo, limits)),
    write: (ref, { state, version, isTombstone }, { signal, syncedTo } = {}) =>
      inTurn(signal, async (limits) => {
        const row = { ref, state: isTombstone ? null : state, version };
        const upsert = { statements: [upsertOf(statements, [row], syncedTo?.id)], limits };
        const [notWritten = []] = await inTransaction(pool, upsert);
        if (notWritten.length === 0) return version;
        const [stored] = await select([ref], syncedTo, limits);
        return stored?.version;
      }),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** What keeps the loader from seeing every row, in words; any other error unchanged. */
function explained(error: unknown): unknown {
  switch ((error as { code?: unknown } | undefined)?.code) {
    case '0A000':
      return restoreFailed('The loader asks a replica, which may lack sessions: ask the primary.', error);
    case '42501':
      return restoreFailed(
        "The loader's role may not see every row: grant it SELECT and, with row-level security, BYPASSRLS.",
        error,
      );
    default:
      return error;
  }
}

function restoreFailed(message: string, cause?: unknown): CauceError {
  return new CauceError('RESTORE_FAILED', message, { retryable: true, cause });
}

function refuseInvalid(
  options: PostgresLoaderOptions,
  resolved: { schema: string; table: string; timeoutMs: number; maxConcurrent: number },
): void {
  const problems: string[] = [];
  for (const name of ['schema', 'table'] as const) {
    if (!isPlainIdentifier(resolved[name])) {
      problems.push(`${name} is ${JSON.stringify(resolved[name])}; allowed is ${plainIdentifier.allowed}`);
    }
  }
  const bounds = { timeoutMs: [10, 60_000], maxConcurrent: [1, 100] } as const;
  for (const name of ['timeoutMs', 'maxConcurrent'] as const) {
    const [min, max] = bounds[name];
    if (!Number.isInteger(resolved[name]) || resolved[name] < min || resolved[name] > max) {
      problems.push(`${name} is ${resolved[name]}; allowed is a whole number from ${min} to ${max}`);
    }
  }
  if (!options.pool && !/^postgres(ql)?:\/\/\S+$/.test(options.databaseUrl ?? '')) {
    problems.push('databaseUrl is not a postgres:// URL, and there is no pool');
  }
  if (problems.length > 0) {
    throw new InvalidOptionError(`The PostgreSQL loader's options are wrong: ${problems.join('; ')}.`);
  }
}
