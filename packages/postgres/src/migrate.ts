import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type RunnerOption, runner } from 'node-pg-migrate';
import { refuseBadNames, renderSql, type TableNames } from './identifiers.ts';
import { inspectTarget } from './migration-target.ts';
import { isUncountable, UncountableVersionsError } from './uncountable-versions.ts';

export interface MigrateOptions extends TableNames {
  /** A direct connection: the advisory lock does not survive a pooler's transaction mode. */
  readonly databaseUrl: string;
  /** Report what would run, change nothing. */
  readonly isDryRun?: boolean;
  /** Called with each message of the migrator. */
  readonly log?: (message: string) => void;
}

const MIGRATIONS_DIR = join(import.meta.dirname, '../sql/migrations');

/**
 * Brings the tables up to this release; creates the schema when it is missing. Safe to run from many processes
 * at once: they wait for each other. Returns the names of the migrations that ran (or would run).
 *
 * It needs CREATE on the database only to create the schema, and only the ledger's SELECT when there is nothing to do.
 *
 * @throws InvalidOptionError for a name that is not a plain identifier or is another table's, and for a database whose
 *   encoding is not UTF8; nothing was changed
 * @throws UncountableVersionsError that says which rows are in the way, and how to correct them
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
  const { hasSchema, done } = await inspectTarget(databaseUrl, options);
  const pending = (await migrationNames()).filter((name) => !done.includes(name));
  // Asked for nothing, or nothing to do: the migrator itself would need the right to create.
  if (isDryRun || pending.length === 0) {
    for (const name of pending) log(`would run ${name}`);
    return pending;
  }
  const runnerOptions: RunnerOption = {
    databaseUrl,
    dir: MIGRATIONS_DIR,
    migrationLoaderStrategies: [{ extensions: ['.sql'], loader: loadSql }],
    direction: 'up',
    schema: options.schema,
    createSchema: !hasSchema,
    migrationsTable: `${options.table}_migration`,
    advisoryLockMode: 'wait',
    checkOrder: true,
    logger: { info: log, warn: log, error: log, debug: () => {} },
  };
  try {
    return (await runner(runnerOptions)).map(({ name }) => name);
  } catch (error) {
    throw isUncountable(error) ? new UncountableVersionsError(options) : error;
  }
}

async function migrationNames(): Promise<string[]> {
  const files = await readdir(MIGRATIONS_DIR);
  return files.map((file) => basename(file, '.sql')).sort();
}
