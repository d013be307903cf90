import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type RunnerOption, runner } from 'node-pg-migrate';
import pg from 'pg';
import { refuseBadNames, renderSql, type TableNames } from './identifiers.ts';

export interface MigrateOptions extends TableNames {
  /** A direct connection: the advisory lock does not survive a pooler's transaction mode. */
  readonly databaseUrl: string;
  /** Report what would run, change nothing. */
  readonly isDryRun?: boolean;
  /** Told each message of the migrator. */
  readonly log?: (message: string) => void;
}

const MIGRATIONS_DIR = join(import.meta.dirname, '../../sql/migrations');

/**
 * Brings the tables up to this release; creates the schema when it is missing. Safe to run from many processes
 * at once: they wait for each other. Returns the names of the migrations that ran (or would run).
 *
 * @throws InvalidOptionError for a name that is not a plain identifier
 */
export async function migrate(options: MigrateOptions): Promise<string[]> {
  // Before anything is sent: the migrator puts the names into its own statements unescaped.
  refuseBadNames(options);
  const { databaseUrl, isDryRun = false, log = () => {} } = options;
  if (isDryRun) return findUnapplied(options);
  const loadSql = async (filePaths: string[]) =>
    Promise.all(
      filePaths.map(async (path) => {
        const statements = renderSql(await readFile(path, 'utf8'), options);
        const up = (builder: { sql(text: string): void }): void => builder.sql(statements);
        return { id: basename(path, '.sql'), filePaths: [path], actions: { up, down: false as const } };
      }),
    );
  const run = async (connection: { databaseUrl: string } | { dbClient: pg.Client }): Promise<string[]> => {
    const runnerOptions: RunnerOption = {
      ...connection,
      dir: MIGRATIONS_DIR,
      migrationLoaderStrategies: [{ extensions: ['.sql'], loader: loadSql }],
      direction: 'up',
      schema: options.schema,
      createSchema: options.schema !== 'public',
      migrationsTable: `${options.table}_migration`,
      advisoryLockMode: 'wait',
        checkOrder: true,
      logger: { info: log, warn: log, error: log, debug: () => {} },
    };
    return (await runner(runnerOptions)).map(({ name }) => name);
  };
  return isDryRun ? rolledBack(databaseUrl, (dbClient) => run({ dbClient })) : run({ databaseUrl });
}

/** The migrator's own dry run still creates the schema and its ledger; here they are taken back. */
async function rolledBack<T>(databaseUrl: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query('BEGIN');
    const result = await work(client);
    await client.query('ROLLBACK');
    return result;
  } finally {
    await client.end();
  }
}

// The migrator's own dry run creates the schema and its ledger.
async function findUnapplied({ databaseUrl, schema, table }: MigrateOptions): Promise<string[]> {
  const files = (await readdir(MIGRATIONS_DIR)).filter((file) => file.endsWith('.sql')).sort();
  const ledger = format('%I.%I', schema, `${table}_migration`);
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const found = await client.query('SELECT to_regclass($1) IS NOT NULL AS exists', [ledger]);
    const applied = found.rows[0]?.exists ? await client.query(`SELECT name FROM ${ledger}`) : { rows: [] };
    const names = new Set(applied.rows.map(({ name }: { name: string }) => name));
    return files.map((file) => basename(file, '.sql')).filter((name) => !names.has(name));
  } finally {
    await client.end();
  }
}
