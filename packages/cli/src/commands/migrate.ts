import { migrate } from '@cauce/admin';
import { withoutCredentials } from '@cauce/protocol';
import type { CommandDescriptor } from '../command.ts';
import { exitCodes } from '../exit-codes.ts';
import { counted } from '../render.ts';
import { type DryRunOption, dryRunOption } from '../shared-options.ts';

export const migrateCommand: CommandDescriptor<DryRunOption> = {
  name: 'migrate',
  summary: 'create or update the tables in PostgreSQL',
  description:
    'Brings the tables up to this release, and creates the schema if it is missing. Many hosts may run it at once. ' +
    'Use a direct connection, not a pooler: the lock between two migrations needs it.',
  options: [dryRunOption()],
  examples: ['migrate', 'migrate --dry-run', 'migrate --schema bot --json'],
  exitCodes: [[exitCodes.ok, 'the tables are up to date']],
  required: ['DATABASE_URL'],

  async run({ settings, output, options }) {
    const isDryRun = options.dryRun ?? false;
    const schema = settings.SESSION_DB_SCHEMA;
    const migrations = await migrate({
      databaseUrl: settings.DATABASE_URL ?? '',
      schema,
      table: settings.SESSION_DB_TABLE,
      isDryRun,
    });
    const where = `${withoutCredentials(settings.DATABASE_URL ?? '')}, schema ${schema}`;
    const summary = `${isDryRun ? 'Would apply' : 'Applied'} ${counted(migrations.length, 'migration')} (${where})`;
    output.result(
      { isDryRun, schema, migrations },
      migrations.length === 0
        ? `The tables are up to date (${where}).`
        : `${summary}:\n${migrations.map((name) => `  ${name}`).join('\n')}`,
    );
    return exitCodes.ok;
  },
};
