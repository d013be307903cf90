import type { Logger } from 'pino';
import { atServer } from './at-server.ts';
import type { CircuitBreaker } from './circuit-breaker.ts';
import type { ExaminedTable, Queries } from './queries.ts';

export interface CheckDatabaseDeps {
  readonly queries: Pick<Queries, 'examineDatabase' | 'server'>;
  readonly circuit: CircuitBreaker;
  readonly logger: Logger;
}

/** The database cannot be used as it is. `code` is what PostgreSQL itself would answer later. */
class UnfitDatabaseError extends Error {
  readonly code: '0A000' | '42501' | '42809' | '42P01';

  constructor(code: UnfitDatabaseError['code'], message: string) {
    super(message);
    this.name = 'UnfitDatabaseError';
    this.code = code;
  }
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
    const fault = faultOf(examined);
    if (fault) throw atServer(fault, queries.server);
    return examined;
  });
  const grants = missingGrants(tables);
  if (grants.length > 0) logger.warn({ grants }, 'the purge of old rows will fail: the role may not delete');
}

/** Undefined: sessions can be synced. Pure. */
function faultOf(tables: readonly ExaminedTable[]): UnfitDatabaseError | undefined {
  const encoding = tables[0]?.encoding;
  if (encoding !== 'UTF8') return new UnfitDatabaseError('0A000', describeEncoding(encoding));
  const missing = tables.filter(({ kind }) => kind === null);
  if (missing.length > 0) {
    const names = missing.map(({ name }) => name).join(', ');
    return new UnfitDatabaseError('42P01', `there is no table ${names}`);
  }
  const others = tables.filter(({ kind }) => kind !== 'r' && kind !== 'p');
  if (others.length > 0) {
    const names = others.map(({ name }) => name).join(', ');
    return new UnfitDatabaseError('42809', `${names} is not a table: a view or a foreign table hides rows`);
  }
  // Without DELETE sessions are synced all the same.
  const isLacking = tables.some(({ lacking }) => lacking.some((privilege) => privilege !== 'DELETE'));
  if (!isLacking) return undefined;
  return new UnfitDatabaseError('42501', `the role lacks rights: ${missingGrants(tables).join('; ')}`);
}

/** A database whose encoding does not hold every character of a session. */
export function describeEncoding(encoding: string | undefined): string {
  return (
    `the database has the encoding ${encoding}, which does not hold every session: use one made with ` +
    "CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
  );
}

function missingGrants(tables: readonly ExaminedTable[]): string[] {
  return tables
    .filter(({ lacking }) => lacking.length > 0)
    .map(({ name, role, lacking }) => `GRANT ${lacking.join(', ')} ON ${name} TO "${role}"`);
}
