import type pg from 'pg';

export interface TransactionOptions {
  /** Longest wait for a row or table another transaction has locked, ms. */
  readonly lockTimeoutMs: number;
  /** Longest run of the statement, ms: the server gives up too, not only the caller. */
  readonly statementTimeoutMs: number;
}

export interface TransactionCall {
  readonly statement: string;
  readonly values: unknown[];
  /** Longest wait for each answer, ms. Default: the pool's. */
  readonly answerTimeoutMs?: number;
  /**
   * Fails where rows may be there that the statement does not see: a policy of row-level security binds the role, or
   * the server is a replica. Default false.
   */
  readonly mustSeeAll?: boolean;
}

/**
 * Runs one statement in a transaction of its own that is durable when this resolves, whatever the server's
 * default for synchronous_commit. SET LOCAL, because a session setting would stay on a pooled connection.
 *
 * On a pipelining pool the three messages leave together, so it costs one round trip. A statement that fails
 * turns the COMMIT into a rollback. @throws what pg throws; the transaction may then have been committed or not
 */
export async function inTransaction<Row extends pg.QueryResultRow>(
  pool: pg.Pool,
  options: TransactionOptions,
  { statement, values, answerTimeoutMs, mustSeeAll = false }: TransactionCall,
): Promise<pg.QueryResult<Row>> {
  const begin = beginWith(options, mustSeeAll);
  const client = await checkOut(pool);
  const ask = <Found extends pg.QueryResultRow>(text: string, given?: unknown[]) =>
    client.query<Found>(answerTimeoutMs === undefined ? text : patient(text, answerTimeoutMs), given);
  let failure: Error | undefined;
  try {
    if (client.pipeline) {
      const queries = [ask(begin), ask<Row>(statement, values), ask('COMMIT')] as const;
      // All answers first, so that none is left on the connection; then the earliest error explains the others.
      await Promise.allSettled(queries);
      const [, result] = await Promise.all(queries);
      return result;
    }
    await ask(begin);
    const result = await ask<Row>(statement, values);
    await ask('COMMIT');
    return result;
  } catch (error) {
    failure = error as Error;
    throw error;
  } finally {
    client.off('error', ignore);
    // A connection after a failure may be inside a transaction, or broken: the pool replaces it.
    client.release(failure);
  }
}

/**
 * A connection with a listener: while it is checked out the pool has none, and an error that nobody listens to ends the
 * process. Whatever is sent on the connection then fails and tells. Not with a promise, which would come too late: a
 * server may end a connection in the same piece of data in which it says that it is ready.
 */
function checkOut(pool: pg.Pool): Promise<pg.PoolClient> {
  return new Promise((resolve, reject) => {
    pool.connect((error, client) => {
      if (!client) return reject(error ?? new Error('The pool gave no connection.'));
      client.on('error', ignore);
      resolve(client);
    });
  });
}

function ignore(): void {}

function beginWith({ lockTimeoutMs, statementTimeoutMs }: TransactionOptions, mustSeeAll: boolean): string {
  return [
    // A replica cannot become writable, and says so.
    mustSeeAll ? 'BEGIN READ WRITE' : 'BEGIN',
    ...(mustSeeAll ? ['SET LOCAL row_security = off'] : []),
    'SET LOCAL synchronous_commit = on',
    `SET LOCAL lock_timeout = ${Math.ceil(lockTimeoutMs)}`,
    `SET LOCAL statement_timeout = ${Math.ceil(statementTimeoutMs)}`,
    // A process that is frozen between two messages holds its locks no longer.
    `SET LOCAL idle_in_transaction_session_timeout = ${Math.ceil(statementTimeoutMs)}`,
  ].join('; ');
}

// query_timeout can be given for one statement; the type declarations of pg know it only for the whole pool.
function patient(text: string, answerTimeoutMs: number): pg.QueryConfig {
  const config: pg.QueryConfig & { query_timeout: number } = {
    text,
    query_timeout: answerTimeoutMs,
  };
  return config;
}
