import { addressOf, atServer, classifyPostgresFailure, PostgresError } from '@cauce/postgres';
import { type MigrateOptions, migrate as runMigrations } from '@cauce/postgres/migrate';
import { isCauceError } from '@cauce/protocol';

export type { MigrateOptions } from '@cauce/postgres/migrate';

/**
 * Brings the tables up to this release; returns the names of the migrations that ran, or would run.
 *
 * @throws InvalidOptionError, UncountableVersionsError, PostgresError; errors of the migrator itself (an unknown
 *   migration, a wrong order) unchanged
 */
export async function migrate(options: MigrateOptions): Promise<string[]> {
  try {
    return await runMigrations(options);
  } catch (error) {
    const located = atServer(error, addressOf({ connectionString: options.databaseUrl }));
    const { code } = classifyPostgresFailure(located);
    throw code === 'LOCAL' || isCauceError(error) ? error : PostgresError.from(located);
  }
}
