import { assessDatabase, atServer, missingGrants, type Queries } from '@cauce/postgres';
import type { Logger } from 'pino';
import type { CircuitBreaker } from './circuit-breaker.ts';

export interface CheckDatabaseDeps {
  readonly queries: Pick<Queries, 'examineDatabase' | 'server'>;
  readonly circuit: CircuitBreaker;
  readonly logger: Logger;
}

/**
 * Waits until the database is one that sessions can be synced to: its encoding, the tables, the role's grants. What
 * is missing is said all at once, before the first session needs it. @throws AbortError
 */
export async function checkDatabase(
  { queries, circuit, logger }: CheckDatabaseDeps,
  signal: AbortSignal,
): Promise<void> {
  const tables = await circuit.through(signal, async () => {
    const examined = await queries.examineDatabase();
    const fault = assessDatabase(examined);
    if (fault) throw atServer(fault, queries.server);
    return examined;
  });
  const grants = missingGrants(tables);
  if (grants.length > 0)
    logger.warn({ grants }, 'the purge of old rows will fail: the role has no right to delete');
}
