import type pg from 'pg';

export interface TransactionOptions {
  /** Longest wait for a row or table another transaction has locked, ms. */
  readonly lockTimeoutMs: number;
  /** Longest run of the statement, ms: the server gives up too, not only the caller. */
  readonly statementTimeoutMs: number;
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
  { lockTimeoutMs, statementTimeoutMs }: TransactionOptions,
  statement: string,
  values: unknown[],
): Promise<pg.QueryResult<Row>> {
  const begin =
    `BEGIN; SET LOCAL synchronous_commit = on; SET LOCAL lock_timeout = ${Math.ceil(lockTimeoutMs)}; ` +
    `SET LOCAL statement_timeout = ${Math.ceil(statementTimeoutMs)}`;
  const client = await pool.connect();
  // While it is checked out the pool does not listen; the failed query tells the same.
  const onError = (): void => {};
  client.on('error', onError);
  let failure: Error | undefined;
  try {
    if (client.pipeline) {
      const queries = [
        client.query(begin),
        client.query<Row>(statement, values),
        client.query('COMMIT'),
      ] as const;
      // All answers first, so that none is left on the connection; then the earliest error explains the others.
      await Promise.allSettled(queries);
      const [, result] = await Promise.all(queries);
      return result;
    }
    await client.query(begin);
    const result = await client.query<Row>(statement, values);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    failure = error as Error;
    throw error;
  } finally {
    client.off('error', onError);
    // A connection after a failure may be inside a transaction, or broken: the pool replaces it.
    client.release(failure);
  }
}
