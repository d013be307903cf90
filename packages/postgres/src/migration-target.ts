import { InvalidOptionError } from '@cauce/protocol';
import pg from 'pg';
import { describeEncoding } from './assess-database.ts';
import type { TableNames } from './identifiers.ts';
import { renderStatements } from './statements.ts';

/** What there is before anything is changed. */
export interface MigrationTarget {
  readonly hasSchema: boolean;
  /** Migrations that ran, by name. */
  readonly done: readonly string[];
}

/** Of the tables the migrations make. */
const companions = ['', '_conflict', '_layout', '_identity', '_mode'];

/**
 * Looks at the place the tables are to be in; changes nothing, and needs no right to.
 *
 * @throws InvalidOptionError when it cannot be used: the database's encoding, or somebody else's table
 */
export async function inspectTarget(
  databaseUrl: string,
  { schema, table }: TableNames,
): Promise<MigrationTarget> {
  const statements = renderStatements({ schema, table });
  const client = new pg.Client({ connectionString: databaseUrl });
  // The call under way fails too, and an error that nobody listens to ends the process.
  client.on('error', () => {});
  await client.connect();
  try {
    const ledger = `${table}_migration`;
    const names = [...companions.map((companion) => table + companion), ledger];
    const { rows } = await client.query<{ encoding: string; has_schema: boolean; found: string[] }>(
      statements.inspectSchema,
      [schema, names],
    );
    const { encoding = '', has_schema: hasSchema = false, found = [] } = rows[0] ?? {};
    if (encoding !== 'UTF8') throw new InvalidOptionError(sentence(describeEncoding(encoding)));
    // After the tables: a migration at this moment commits both together.
    const done = found.includes(ledger) ? await migrationsIn(client, statements.listMigrations) : [];
    const others = found.filter((name) => name !== ledger).map((name) => `${schema}.${name}`);
    if (done.length === 0 && others.length > 0) {
      throw new InvalidOptionError(
        `${others.join(', ')} already exists and was not made by \`cauce migrate\`: set SESSION_DB_TABLE or ` +
          'SESSION_DB_SCHEMA to a name that is free, or rename it.',
      );
    }
    return { hasSchema, done };
  } finally {
    await client.end();
  }
}

async function migrationsIn(client: pg.Client, statement: string): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(statement);
  return rows.map(({ name }) => name);
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
