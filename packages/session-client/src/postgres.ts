import {
  ErrorCause,
  InvalidOptionError,
  isCauceError,
  readDatabaseUrl,
  type StoredSession,
  type TableIdentity,
  TableMismatchError,
  withDeadline,
} from '@cauce/protocol';
import pg from 'pg';
import { RestoreError } from './errors.ts';
import { checkOut, inTransaction } from './postgres-transaction.ts';
import type { SessionLoader } from './session-loader.ts';
import { createTurns } from './turns.ts';

export type PostgresLoaderOptions = (
  | {
      /**
       * A pool you own: never closed here; its 'error' events are yours to handle. With `pipeline: true` a statement
       * is one round trip, otherwise three.
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
  /** Told of errors of idle connections of a pool opened here, which heals by itself. Default: nobody is told. */
  readonly onError?: ((error: Error) => void) | undefined;
};

export interface PostgresLoader extends Required<SessionLoader>, AsyncDisposable {
  /** Ends the pool if it was opened here. */
  close(): Promise<void>;
}

interface Row {
  readonly position: string;
  readonly state: string | null;
  /** Null: there is no such row. */
  readonly version: string | null;
  readonly relation_kind: string;
  /** Absent when it was not asked for; null: somebody deleted it. */
  readonly table_id?: string | null;
}

/** Fails where a policy would hide rows, and on a replica, which cannot become writable. */
const BEGIN_LOAD = 'BEGIN READ WRITE; SET LOCAL row_security = off';
/** Durable whatever the server's default. */
const BEGIN_WRITE = 'BEGIN; SET LOCAL synchronous_commit = on';
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
  const pool = options.pool ?? openPool(options.databaseUrl, { timeoutMs, maxConcurrent });
  const onIdleError = options.onError ?? (() => {});
  // Without a listener the loss of an idle connection ends the process.
  if (!options.pool) pool.on('error', (error) => onIdleError(ErrorCause.ofDriver(error)));
  const turns = createTurns(maxConcurrent);
  const tableId = `(SELECT id::text FROM "${schema}"."${table}_identity")`;
  // Compared only where Redis knows a table: before that, this one may not be migrated yet.
  const select = (isCompared: boolean): string => `
    SELECT asked.position, stored.state::text AS state, stored.version::text AS version,
           (SELECT relkind FROM pg_catalog.pg_class WHERE oid = '"${schema}"."${table}"'::regclass) AS relation_kind
           ${isCompared ? `, ${tableId} AS table_id` : ''}
    FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS asked (tenant_id, user_id, position)
    LEFT JOIN "${schema}"."${table}" AS stored USING (tenant_id, user_id)`;
  // As the consumer's own statement: it syncs the session later and finds a duplicate. The second part answers when
  // the row was newer.
  const upsert = (isCompared: boolean): string => `
    WITH written AS (
      INSERT INTO "${schema}"."${table}" AS stored
        (tenant_id, user_id, state, version, created_at, updated_at, synced_at)
      SELECT $1::text, $2::text, $3::text::jsonb, $4::bigint, to_timestamp($4::bigint / 1e6),
             to_timestamp($4::bigint / 1e6), clock_timestamp()
      ${isCompared ? `WHERE ${tableId} = $5::text` : 'WHERE true'}
      ON CONFLICT (tenant_id, user_id) DO UPDATE
      SET state = excluded.state, version = excluded.version, updated_at = excluded.updated_at,
          synced_at = excluded.synced_at
      WHERE excluded.version > stored.version
      RETURNING version
    )
    SELECT coalesce(
             (SELECT version FROM written),
             (SELECT version FROM "${schema}"."${table}" WHERE tenant_id = $1::text AND user_id = $2::text)
           )::text AS version
           ${isCompared ? `, ${tableId} AS table_id` : ''}`;
  const now = (): number => performance.now();
  let closed: Promise<void> | undefined;

  async function inTurn<Found extends pg.QueryResultRow>(
    call: { readonly begin: string; readonly statement: string; readonly values: unknown[] },
    signal: AbortSignal | undefined,
  ): Promise<Found[]> {
    signal?.throwIfAborted();
    const untilMs = now() + timeoutMs;
    // The turn lasts until PostgreSQL has answered, even if nobody waits for the answer any more.
    const turn = turns.take();
    try {
      const answer = turn.came.then(() => ask<Found>(call, untilMs)).finally(turn.leave);
      return await withDeadline(answer, timeoutMs);
    } catch (error) {
      // pg's own quotes the row it refused, and knows its connection.
      throw isCauceError(error) ? error : ErrorCause.ofDriver(error);
    } finally {
      turn.giveUp();
    }
  }

  async function ask<Found extends pg.QueryResultRow>(
    { begin, ...call }: { readonly begin: string; readonly statement: string; readonly values: unknown[] },
    untilMs: number,
  ): Promise<Found[]> {
    // The server gives those before up at the same moment as their callers, and these may be about to give up, too.
    if (untilMs - now() < LEAST_SHARE * timeoutMs) throw new Error('The turn came too late.');
    const client = await checkOut(pool, ignore);
    const leftMs = Math.floor(untilMs - now());
    let failure: Error | undefined;
    try {
      if (leftMs < 1) throw new Error('The connection came too late.');
      // The server gives up when the caller does: a backend that waits for a lock does not notice that nobody waits
      // for it.
      const limits =
        `; SET LOCAL statement_timeout = ${leftMs}; ` +
        `SET LOCAL idle_in_transaction_session_timeout = ${timeoutMs}`;
      return await inTransaction<Found>(client, {
        ...call,
        begin: begin + limits,
        silenceMs: leftMs + ANSWER_GRACE_MS,
      });
    } catch (error) {
      failure = error as Error;
      throw error;
    } finally {
      client.off('error', ignore);
      // After a failure it may be inside a transaction, or broken: the pool replaces it.
      client.release(failure);
    }
  }

  function refuseOther(
    syncedTo: TableIdentity | undefined,
    answer: { table_id?: string | null } | undefined,
  ): void {
    if (!syncedTo || answer?.table_id === syncedTo.id) return;
    throw new TableMismatchError(
      `The loader is set to ${schema}.${table}, and the sessions are synced to another table, ${syncedTo.name}: ` +
        'what is missing there says nothing. Give the loader the databaseUrl, schema and table of the sync consumer.',
    );
  }

  const close = (): Promise<void> => {
    closed ??= options.pool ? Promise.resolve() : pool.end();
    return closed;
  };

  return {
    async load(refs, { signal, syncedTo } = {}) {
      const values = [refs.map(({ tenantId }) => tenantId), refs.map(({ userId }) => userId)];
      const call = { begin: BEGIN_LOAD, statement: select(syncedTo !== undefined), values };
      const rows = await inTurn<Row>(call, signal).catch((error: unknown) => {
        throw explained(error);
      });
      if (refs.length > 0) refuseOther(syncedTo, rows[0]);
      if (rows.some(({ relation_kind }) => !tableKinds.includes(relation_kind))) {
        throw new RestoreError(
          `"${schema}"."${table}" is not a table: a view, or a foreign table, may leave sessions out.`,
        );
      }
      return inOrder(rows, refs.length);
    },
    async write({ tenantId, userId }, { state, version, isTombstone }, { signal, syncedTo } = {}) {
      const values = [tenantId, userId, isTombstone ? null : state, version];
      const call = {
        begin: BEGIN_WRITE,
        statement: upsert(syncedTo !== undefined),
        values: syncedTo ? [...values, syncedTo.id] : values,
      };
      const [row] = await inTurn<{ version: string | null; table_id?: string | null }>(call, signal);
      refuseOther(syncedTo, row);
      return row?.version ?? undefined;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function ignore(): void {}

/** What keeps the loader from seeing every row, in words; any other error as it is. */
function explained(error: unknown): unknown {
  switch ((error as { code?: unknown } | undefined)?.code) {
    case '0A000':
      return new RestoreError('The loader asks a replica, which may lack sessions: ask the primary.', error);
    case '42501':
      return new RestoreError(
        "The loader's role may not see every row: grant it SELECT and, with row-level security, BYPASSRLS.",
        error,
      );
    default:
      return error;
  }
}

function inOrder(rows: readonly Row[], count: number): (StoredSession | undefined)[] {
  const found = new Array<StoredSession | undefined>(count).fill(undefined);
  for (const { position, state, version } of rows) {
    if (version === null) continue;
    found[Number(position) - 1] = { state: state ?? '', version, isTombstone: state === null };
  }
  return found;
}

function openPool(databaseUrl: string, options: { timeoutMs: number; maxConcurrent: number }): pg.Pool {
  // By itself a pool reads it when the first connection is made.
  readDatabaseUrl(databaseUrl, (connectionString) => new pg.Client({ connectionString }));
  return new pg.Pool({
    connectionString: databaseUrl,
    application_name: 'cauce-session-client',
    max: options.maxConcurrent,
    connectionTimeoutMillis: options.timeoutMs,
    keepAlive: true,
    pipeline: true,
  });
}

function refuseInvalid(
  options: PostgresLoaderOptions,
  resolved: { schema: string; table: string; timeoutMs: number; maxConcurrent: number },
): void {
  const problems: string[] = [];
  for (const name of ['schema', 'table'] as const) {
    if (!/^[a-z_][a-z0-9_]{0,49}$/.test(resolved[name])) {
      problems.push(
        `${name} is ${JSON.stringify(resolved[name])}; allowed is a lower-case SQL identifier of at most 50 characters`,
      );
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
