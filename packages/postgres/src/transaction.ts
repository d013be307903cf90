import pg from 'pg';

export interface Statement {
  readonly text: string;
  readonly values?: unknown[];
}

export interface TransactionLimits {
  /** Longest run of each statement, ms: the server gives up too, not only the caller. */
  readonly statementTimeoutMs: number;
  /** Longest wait for a row or table another transaction has locked, ms. Default: as long as a statement may run. */
  readonly lockTimeoutMs?: number;
  /** Longest wait for each answer, ms; then the connection is given up. Default: the pool's. */
  readonly answerTimeoutMs?: number;
}

export interface TransactionCall {
  readonly statements: readonly Statement[];
  /** Asked when there is a connection, which may have taken a while; what it throws ends the call. */
  readonly limits: () => TransactionLimits;
  /**
   * Fails where rows may be there that the statements do not see: a policy of row-level security binds the role, or the
   * server is a replica. Default false.
   */
  readonly mustSeeAll?: boolean;
}

/**
 * Runs statements in one transaction that is durable when this resolves, with any default of the server for
 * synchronous_commit. Returns the rows of each. SET LOCAL, because a session setting would stay on a pooled connection;
 * unnamed statements, because PgBouncer hands the next one to another backend.
 *
 * On a pipelining pool all messages leave together, so it costs one round trip; on any other one for each. A statement
 * that fails turns the COMMIT into a rollback. READ COMMITTED, with any default of the server: a fence has to see what
 * was committed while it waited. @throws what pg throws; {@link isRolledBack} says whether nothing was committed
 */
export async function inTransaction(
  pool: pg.Pool,
  { statements, limits, mustSeeAll = false }: TransactionCall,
): Promise<pg.QueryResultRow[][]> {
  const client = await checkOut(pool);
  let failure: Error | undefined;
  let isCommitSent = false;
  try {
    const { answerTimeoutMs, ...ofServer } = limits();
    const begin = { text: beginWith(ofServer, mustSeeAll) };
    const all = [begin, ...statements, commit];
    const ask = async (statement: Statement): Promise<pg.QueryResult> => {
      isCommitSent ||= statement === commit;
      try {
        return await client.query(patient(statement.text, answerTimeoutMs), statement.values);
      } catch (error) {
        throw statement !== begin && isServersError(error) ? rolledBack(error) : error;
      }
    };
    const results = client.pipeline ? await together(all, ask) : await inTurn(all, ask);
    return results.slice(1, -1).map(({ rows }) => rows);
  } catch (error) {
    failure = error as Error;
    throw isCommitSent ? error : rolledBack(error);
  } finally {
    client.off('error', ignore);
    // A connection after a failure may be inside a transaction, or broken: the pool replaces it.
    client.release(failure);
  }
}

const commit: Statement = { text: 'COMMIT' };

/** Of what {@link inTransaction} threw: whether it is certain that nothing was committed. */
export function isRolledBack(error: unknown): boolean {
  return error instanceof Error && 'cauceIsRolledBack' in error;
}

function rolledBack(error: unknown): unknown {
  if (error instanceof Error) Object.defineProperty(error, 'cauceIsRolledBack', { value: true });
  return error;
}

/** Its own answer to a statement. FATAL may also come from a pooler, or after a COMMIT whose answer was lost. */
function isServersError(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.severity === 'ERROR';
}

type Ask = (statement: Statement) => Promise<pg.QueryResult>;

async function together(statements: readonly Statement[], ask: Ask): Promise<pg.QueryResult[]> {
  const answers = statements.map(ask);
  // All answers first, so that none is left on the connection; then the earliest error explains the others.
  await Promise.allSettled(answers);
  return Promise.all(answers);
}

async function inTurn(statements: readonly Statement[], ask: Ask): Promise<pg.QueryResult[]> {
  const results: pg.QueryResult[] = [];
  for (const statement of statements) results.push(await ask(statement));
  return results;
}

/**
 * A connection with a listener for errors: while it is checked out the pool has none, and an error without a listener
 * ends the process. Statements on the connection then fail and report the error. It uses no promise, because that would
 * come too late: a server may end a connection in the same piece of data in which it says that it is ready.
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

function beginWith({ lockTimeoutMs, statementTimeoutMs }: TransactionLimits, mustSeeAll: boolean): string {
  return [
    // A replica cannot become writable, and says so.
    `BEGIN ISOLATION LEVEL READ COMMITTED${mustSeeAll ? ' READ WRITE' : ''}`,
    ...(mustSeeAll ? ['SET LOCAL row_security = off'] : []),
    'SET LOCAL synchronous_commit = on',
    ...(lockTimeoutMs === undefined ? [] : [`SET LOCAL lock_timeout = ${Math.ceil(lockTimeoutMs)}`]),
    `SET LOCAL statement_timeout = ${Math.ceil(statementTimeoutMs)}`,
    // A process that is frozen between two messages holds its locks no longer.
    `SET LOCAL idle_in_transaction_session_timeout = ${Math.ceil(statementTimeoutMs)}`,
  ].join('; ');
}

// query_timeout can be given for one statement; the type declarations of pg know it only for the whole pool.
function patient(text: string, answerTimeoutMs: number | undefined): pg.QueryConfig {
  const config: pg.QueryConfig & { query_timeout?: number } = { text };
  if (answerTimeoutMs !== undefined) config.query_timeout = answerTimeoutMs;
  return config;
}
