import { checkTable, resync, resyncToTable } from '@cauce/admin';
import { Option } from 'commander';
import { parseMoment } from '../arguments.ts';
import { type CommandDescriptor, type Invocation, withRedis, withStores } from '../command.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { CommandError } from '../explain-error.ts';
import { count, counted } from '../render.ts';
import { confirmDestroying, type YesOption, yesOption } from '../shared-options.ts';

interface ResyncFlags extends YesOption {
  /** ms since 1970. */
  readonly since?: (nowMs: number) => number;
  readonly toThisTable?: boolean;
}

export const resyncCommand: CommandDescriptor<ResyncFlags> = {
  name: 'resync',
  summary: 'sync everything in Redis to PostgreSQL again',
  description:
    'Use it when PostgreSQL lost commits: a backup was restored, or a standby was promoted that was behind. It ' +
    'announces every session in Redis again, with its present version. Rows that are as new do not change. Consumers ' +
    'do this by themselves when they see another database or timeline. They cannot notice a restored disk snapshot. ' +
    'Sessions that have left Redis cannot be brought back.\n\n' +
    'Redis remembers to which table its sessions are synced, and refuses a consumer with another table. ' +
    '--to-this-table changes it to the table of DATABASE_URL, --schema and --table. A consumer of the former table ' +
    'stops by itself. Rows are not copied: do that first, with pg_dump.',
  options: [
    new Option(
      '--since <moment>',
      'only sessions saved since then: 30m or 2h ago, or 2026-01-31T18:00Z. PostgreSQL gets a save up to a sync ' +
        'interval later, so choose an earlier moment',
    ).argParser(parseMoment),
    new Option('--to-this-table', 'sync the sessions to the table that is set here, from now on'),
    yesOption(),
  ],
  examples: [
    'resync',
    'resync --since 2h',
    'resync --since 2026-01-31T18:00Z && cauce drain',
    'resync --to-this-table',
  ],
  exitCodes: [[exitCodes.failure, 'not confirmed']],
  required: ['REDIS_URL'],

  async run(invocation) {
    const { context, settings, output, options, signal } = invocation;
    if (options.toThisTable) return toThisTable(invocation);
    const sinceMs = options.since?.(context.nowMs()) ?? 0;
    const sinceVersion = (BigInt(Math.floor(sinceMs)) * 1000n).toString();
    const { SYNC_BATCH_ROWS: batchRows } = settings;
    // Without DATABASE_URL only Redis is needed. With it, the table may be the wrong one.
    if (settings.DATABASE_URL) await withStores(invocation, checkTable);
    const result = await withRedis(invocation, (deps) => resync(deps, { sinceVersion, batchRows, signal }));
    const unreadable = result.unreadable > 0 ? `, ${count(result.unreadable)} cannot be read` : '';
    output.result(
      { sinceVersion, ...result },
      `${counted(result.announced, 'session')} announced again; ${count(result.dirty)} were already dirty, ` +
        `${count(result.older)} are older${unreadable}. \`cauce drain\` waits until they have arrived.`,
    );
    return exitCodes.ok;
  },
};

async function toThisTable(invocation: Invocation<ResyncFlags>): Promise<ExitCode> {
  const { settings, output, options, signal } = invocation;
  if (options.since) {
    throw new CommandError(
      '--since and --to-this-table cannot be used together: the new table needs everything.',
    );
  }
  if (!settings.DATABASE_URL) throw new CommandError('--to-this-table needs DATABASE_URL (--database-url).');
  const where = `${settings.SESSION_DB_SCHEMA}.${settings.SESSION_DB_TABLE}`;
  await confirmDestroying(
    invocation,
    `The sessions under ${settings.SESSION_KEY_PREFIX} will be synced to ${where} from now on. Consumers of any other table stop.`,
  );
  const { SYNC_BATCH_ROWS: batchRows } = settings;
  const { table, ...result } = await withStores(invocation, (deps) =>
    resyncToTable(deps, { batchRows, signal }),
  );
  output.result(
    { table, ...result },
    `The sessions are synced to ${table.name} from now on: ${counted(result.announced, 'session')} announced again; ` +
      `${count(result.dirty)} were already dirty. Start its consumer; it syncs everything once more after a minute.`,
  );
  return exitCodes.ok;
}
