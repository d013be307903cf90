import { InvalidOptionError, type StoredSession, withDeadline } from '@cauce/protocol';
import pg from 'pg';
import type { SessionLoader } from './session-loader.ts';
import { createTurns } from './turns.ts';

export type PostgresLoaderOptions = (
  | {
      /** A pool you own: never closed here; its 'error' events are yours to handle. */
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
   * How long a load may take, waiting for its turn and for a connection included, ms. Default 2000; 10 to
   * 60,000. Below the client's `leaseTtlMs`.
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
  readonly version: string;
}

/**
 * Restores sessions from the sync consumer's table, many in one statement, and commits those saved with
 * `durability: 'postgres'`: for these its role needs INSERT and UPDATE, else SELECT is enough.
 *
 * @throws InvalidOptionError for options out of their bounds
 */
export function createPostgresLoader(options: PostgresLoaderOptions): PostgresLoader {
  const { schema = 'public', table = 'session', timeoutMs = 2000, maxConcurrent = 4 } = options;
  refuseInvalid(options, { schema, table, timeoutMs, maxConcurrent });
  const pool = options.pool ?? openPool(options.databaseUrl, { timeoutMs, maxConcurrent });
  const onIdleError = options.onError ?? (() => {});
  // Without a listener the loss of an idle connection ends the process.
  if (!options.pool) pool.on('error', onIdleError);
  const turns = createTurns(maxConcurrent);
  const select = `
    SELECT asked.position, stored.state::text AS state, stored.version::text AS version
    FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS asked (tenant_id, user_id, position)
    JOIN "${schema}"."${table}" AS stored USING (tenant_id, user_id)`;
  // As the consumer's own statement: it carries the session later and finds a duplicate. Durable whatever the
  // server's default. The second part answers when the row was newer.
  const upsert = `
    WITH durable AS MATERIALIZED (SELECT set_config('synchronous_commit', 'on', true)),
    written AS (
      INSERT INTO "${schema}"."${table}" AS stored
        (tenant_id, user_id, state, version, created_at, updated_at, synced_at)
      SELECT $1::text, $2::text, $3::text::jsonb, $4::bigint, to_timestamp($4::bigint / 1e6),
             to_timestamp($4::bigint / 1e6), clock_timestamp()
      FROM durable
      ON CONFLICT (tenant_id, user_id) DO UPDATE
      SET state = excluded.state, version = excluded.version, updated_at = excluded.updated_at,
          synced_at = excluded.synced_at
      WHERE excluded.version > stored.version
      RETURNING version
    )
    SELECT version::text AS version FROM written
    UNION ALL
    SELECT version::text FROM "${schema}"."${table}" WHERE tenant_id = $1::text AND user_id = $2::text
    LIMIT 1`;
  let closed: Promise<void> | undefined;

  // Unnamed, because PgBouncer hands the next statement to another backend.
  async function inTurn<Found extends pg.QueryResultRow>(
    statement: string,
    values: unknown[],
    signal: AbortSignal | undefined,
  ): Promise<Found[]> {
    signal?.throwIfAborted();
    const config = { text: statement, values, query_timeout: timeoutMs } as pg.QueryConfig;
    // The turn lasts until PostgreSQL has answered, even if nobody waits for the answer any more.
    const turn = turns.take();
    try {
      const answer = turn.came.then(() => pool.query<Found>(config)).finally(turn.leave);
      return (await withDeadline(answer, timeoutMs)).rows;
    } finally {
      turn.giveUp();
    }
  }

  const close = (): Promise<void> => {
    closed ??= options.pool ? Promise.resolve() : pool.end();
    return closed;
  };

  return {
    async load(refs, { signal } = {}) {
      const ids = [refs.map(({ tenantId }) => tenantId), refs.map(({ userId }) => userId)];
      return inOrder(await inTurn<Row>(select, ids, signal), refs.length);
    },
    async write({ tenantId, userId }, { state, version, isTombstone }, { signal } = {}) {
      const values = [tenantId, userId, isTombstone ? null : state, version];
      const [row] = await inTurn<{ version: string }>(upsert, values, signal);
      return row?.version;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function inOrder(rows: readonly Row[], count: number): (StoredSession | undefined)[] {
  const found = new Array<StoredSession | undefined>(count).fill(undefined);
  for (const { position, state, version } of rows) {
    found[Number(position) - 1] = { state: state ?? '', version, isTombstone: state === null };
  }
  return found;
}

function openPool(databaseUrl: string, options: { timeoutMs: number; maxConcurrent: number }): pg.Pool {
  return new pg.Pool({
    connectionString: databaseUrl,
    application_name: 'cauce-session-client',
    max: options.maxConcurrent,
    connectionTimeoutMillis: options.timeoutMs,
    keepAlive: true,
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
