import type { ExaminedTable } from './queries.ts';

/** The database cannot be used. `code` is what PostgreSQL itself would answer later. */
export class DatabaseFault extends Error {
  readonly code: '0A000' | '42501' | '42809' | '42P01';

  constructor(code: DatabaseFault['code'], message: string) {
    super(message);
    this.name = 'DatabaseFault';
    this.code = code;
  }
}

/** Undefined: sessions can be synced. Pure. */
export function assessDatabase(tables: readonly ExaminedTable[]): DatabaseFault | undefined {
  const encoding = tables[0]?.encoding;
  if (encoding !== 'UTF8') return new DatabaseFault('0A000', describeEncoding(encoding));
  const missing = tables.filter(({ kind }) => kind === null);
  if (missing.length > 0) {
    const names = missing.map(({ name }) => name).join(', ');
    return new DatabaseFault('42P01', `there is no table ${names}`);
  }
  const others = tables.filter(({ kind }) => kind !== 'r' && kind !== 'p');
  if (others.length > 0) {
    const names = others.map(({ name }) => name).join(', ');
    return new DatabaseFault('42809', `${names} is not a table: a view or a foreign table hides rows`);
  }
  // Sessions are synced without DELETE, too.
  const isLacking = tables.some(({ lacking }) => lacking.some((privilege) => privilege !== 'DELETE'));
  if (!isLacking) return undefined;
  return new DatabaseFault('42501', `the role lacks rights: ${missingGrants(tables).join('; ')}`);
}

/** A database whose encoding does not hold every character of a session. */
export function describeEncoding(encoding: string | undefined): string {
  return (
    `the database has the encoding ${encoding}, which does not hold every session: use one made with ` +
    "CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
  );
}

/** The statements that give the role what it lacks. Pure. */
export function missingGrants(tables: readonly ExaminedTable[]): string[] {
  return tables
    .filter(({ lacking }) => lacking.length > 0)
    .map(({ name, role, lacking }) => `GRANT ${lacking.join(', ')} ON ${name} TO "${role}"`);
}
