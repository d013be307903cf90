import { Option } from 'commander';
import { parseDuration } from './arguments.ts';
import type { Invocation } from './command.ts';
import { exitCodes } from './exit-codes.ts';
import { CommandError } from './explain-error.ts';
import type { Settings } from './settings.ts';

export interface DryRunOption {
  readonly dryRun?: boolean;
}

export interface YesOption {
  readonly yes?: boolean;
}

export interface PatienceOption {
  readonly patience: number;
}

export const dryRunOption = (): Option =>
  new Option('-n, --dry-run', 'show what would be done; change nothing');

export const yesOption = (): Option => new Option('-y, --yes', 'do not ask');

export const patienceOption = (): Option =>
  new Option('--patience <duration>', 'give up when PostgreSQL is away for this long')
    .argParser(parseDuration)
    .default(15_000, '15s');

/**
 * Asks before something that cannot be taken back. @throws CommandError when the answer is no, and when nobody can be
 * asked
 */
export async function confirmDestroying(
  { context, options }: Invocation<YesOption>,
  question: string,
): Promise<void> {
  if (options.yes) return;
  if (!context.confirm) {
    throw new CommandError(`${question} There is no terminal to ask.`, {
      hint: 'Nothing was changed. Give --yes to do it, or --dry-run to see what would be done.',
    });
  }
  if (!(await context.confirm(`${question} [y/N] `))) {
    throw new CommandError('Not confirmed; nothing was changed.', { exitCode: exitCodes.failure });
  }
}

export interface PartitionOption {
  readonly partition?: number;
}

/** @throws CommandError for a partition there is not */
export function checkedPartition(
  { partition }: PartitionOption,
  { SESSION_PARTITIONS }: Settings,
): number | undefined {
  if (partition !== undefined && partition >= SESSION_PARTITIONS) {
    throw new CommandError(`--partition is ${partition}; allowed is 0 to ${SESSION_PARTITIONS - 1}.`);
  }
  return partition;
}
