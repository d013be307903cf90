import { purge } from '@cauce/admin';
import { Option } from 'commander';
import { type CommandDescriptor, withPostgres } from '../command.ts';
import { exitCodes } from '../exit-codes.ts';
import { count, counted } from '../render.ts';
import {
  confirmDestroying,
  type DryRunOption,
  dryRunOption,
  type YesOption,
  yesOption,
} from '../shared-options.ts';

interface PurgeFlags extends DryRunOption, YesOption {
  /** Stands for SESSION_HISTORY_DAYS. */
  readonly historyDays?: string;
}

export const purgeCommand: CommandDescriptor<PurgeFlags> = {
  name: 'purge',
  summary: 'delete rows that are older than the history',
  description:
    'Deletes rows that nobody saved for SESSION_HISTORY_DAYS, and conflicts of that age, in small statements. The sync ' +
    'consumer does the same once a day. A row that is being saved stays.',
  options: [new Option('--history-days <days>', 'SESSION_HISTORY_DAYS'), dryRunOption(), yesOption()],
  examples: ['purge --dry-run', 'purge --yes', 'purge --history-days 90 --yes'],
  exitCodes: [],
  required: ['DATABASE_URL'],

  async run(invocation) {
    const { settings, output, options, signal } = invocation;
    const historyDays = settings.SESSION_HISTORY_DAYS;
    const isDryRun = options.dryRun ?? false;
    if (!isDryRun) {
      await confirmDestroying(
        invocation,
        `This deletes every row that nobody saved for ${counted(historyDays, 'day')}.`,
      );
    }
    const report = await withPostgres(invocation, (deps) =>
      purge(deps, {
        historyDays,
        isDryRun,
        signal,
        onProgress: ({ blocks, ofBlocks }) =>
          output.progress(`purging: ${count(blocks)} of ${count(ofBlocks)} pages looked at`),
      }),
    );
    output.result(
      { isDryRun, historyDays, ...report },
      `${isDryRun ? 'Would delete' : 'Deleted'} ${counted(report.sessions, 'row')} and ` +
        `${counted(report.conflicts, 'conflict')} older than ${counted(historyDays, 'day')}.`,
    );
    return exitCodes.ok;
  },
};
