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
      dryRun: isDryRun,
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
