import type pg from 'pg';

export interface TransactionCall {
  /** `BEGIN` and the settings of this transaction. */
  readonly begin: string;
  readonly statement: string;
  readonly values: unknown[];
  /** When a server that is silent is given up, with its connection, ms. */
  readonly silenceMs: number;
}

/**
 * A connection of the pool, with a listener: while it is checked out the pool has none, and an error that nobody listens
 * to ends the process. Not with a promise, which would come too late: a server may end a connection in the same piece of
 * data in which it says that it is ready.
 *
 * @throws what connecting throws
 */
export function checkOut(pool: pg.Pool, onError: (error: Error) => void): Promise<pg.PoolClient> {
  return new Promise((resolve, reject) => {
    pool.connect((error, client) => {
      if (!client) return reject(error ?? new Error('The pool gave no connection.'));
      client.on('error', onError);
      resolve(client);
    });
  });
}

/**
 * Runs one statement in a transaction, with settings that end with it: nothing else would pass a pooler. The three
 * messages leave together on a pipelining connection; on any other they are three round trips. A statement that fails
 * turns the COMMIT into a rollback.
 *
 * @throws what pg throws; the transaction may then have been committed or not
 */
export async function inTransaction<Row extends pg.QueryResultRow>(
  client: pg.ClientBase & { readonly pipeline?: boolean },
  { begin, statement, values, silenceMs }: TransactionCall,
): Promise<Row[]> {
  const ask = <Found extends pg.QueryResultRow>(text: string, given?: unknown[]) =>
    client.query<Found>(unnamed(text, silenceMs), given);
  if (client.pipeline) {
    const answers = [ask(begin), ask<Row>(statement, values), ask('COMMIT')] as const;
    // All of them, so that none is left on the connection; then the earliest error explains the others.
    await Promise.allSettled(answers);
    const [, found] = await Promise.all(answers);
    return found.rows;
  }
  await ask(begin);
  const found = await ask<Row>(statement, values);
  await ask('COMMIT');
  return found.rows;
}

// Unnamed, because PgBouncer hands the next statement to another backend. The type declarations of pg know
// query_timeout only for the whole pool.
function unnamed(text: string, silenceMs: number): pg.QueryConfig {
  const config: pg.QueryConfig & { query_timeout: number } = { text, query_timeout: silenceMs };
  return config;
}
