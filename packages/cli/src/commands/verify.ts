import { type VerifyResult, verify } from '@cauce/admin';
import { Option } from 'commander';
import { parseCount, parseDuration } from '../arguments.ts';
import { type CommandDescriptor, withStores } from '../command.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { CommandError } from '../explain-error.ts';
import { count, counted, sessionName, table } from '../render.ts';
import { type DryRunOption, dryRunOption } from '../shared-options.ts';
import { type HistoryFlags, verifyHistory } from './verify-history.ts';

interface VerifyFlags extends DryRunOption, Omit<HistoryFlags, 'history'> {
  readonly repair?: boolean;
  readonly history?: HistoryFlags['history'];
}

export const verifyCommand: CommandDescriptor<VerifyFlags> = {
  name: 'verify',
  summary: 'compare the sessions in Redis with their rows in PostgreSQL, or both with a history',
  description:
    'Compares every clean session in Redis with its row. Dirty sessions are only counted: PostgreSQL does not have ' +
    'them yet. A difference is reported if it is still there when both are read again. With --repair, PostgreSQL ' +
    'gets the state of Redis. If the row is newer, Redis gets the row, and the state of Redis goes to the conflict ' +
    'table.\n\n' +
    'With --history, compares what bots recorded (recordHistory of @cauce/history) with both stores. It finds ' +
    'acknowledged saves that were lost, are wrong, were read stale, came back after a clear, or diverged. Stop the ' +
    'bots first. Only sessions of the history are checked. Record every program that writes them.',
  options: [
    new Option('--repair', 'repair the differences'),
    dryRunOption(),
    new Option('--limit <count>', 'list at most this many differences, or violations of each kind')
      .argParser(parseCount)
      .default(20),
    new Option('--history <file>', 'check what bots recorded; repeat it for each file').argParser(
      (file: string, others: readonly string[] = []) => [...others, file],
    ),
    new Option('--wait <duration>', 'with --history: wait this long for dirty sessions to be synced')
      .argParser(parseDuration)
      .default(60_000, '60s'),
    new Option(
      '--clock-skew <duration>',
      'with --history of several machines: how much their clocks may differ',
    )
      .argParser(parseDuration)
      .default(500, '500ms'),
  ],
  examples: [
    'verify',
    'verify --limit 100 --json',
    'verify --repair --dry-run',
    'verify --repair',
    'verify --history bot-1.jsonl --history bot-2.jsonl',
  ],
  exitCodes: [
    [exitCodes.ok, 'no difference is left; the history has no violation'],
    [exitCodes.problem, 'differences that are not repaired, or violations'],
  ],
  required: ['REDIS_URL', 'DATABASE_URL'],

  async run(invocation) {
    const { settings, output, options, signal } = invocation;
    const isRepairing = options.repair ?? false;
    const isDryRun = options.dryRun ?? false;
    if (isDryRun && !isRepairing) {
      throw new CommandError('--dry-run needs --repair: without --repair nothing is changed.');
    }
    const { history } = options;
    if (history) {
      if (isRepairing)
        throw new CommandError(
          '--repair and --history cannot be used together: a repair would hide what the history proves.',
        );
      return verifyHistory({ ...invocation, options: { ...options, history } });
    }
    const result = await withStores(invocation, (deps) =>
      verify(deps, {
        batchRows: settings.SYNC_BATCH_ROWS,
        sessionTtlMs: settings.SESSION_TTL * 1000,
        historyDays: settings.SESSION_HISTORY_DAYS,
        isRepairing,
        isDryRun,
        maxDifferences: options.limit,
        signal,
        onProgress: ({ checked, different }) =>
          output.progress(`verifying: ${count(checked)} compared, ${count(different)} different`),
      }),
    );
    output.result(jsonOf(result), describeVerify(result));
    const repairable = result.different - result.byDifference.unreadable;
    if (!isRepairing && repairable > 0) output.note('Run `cauce verify --repair` to repair them.');
    return exitCodeAfter(result);
  },
};

function exitCodeAfter({ different, byRepair }: VerifyResult): ExitCode {
  const repaired = byRepair.reissued + byRepair.adopted + byRepair.superseded;
  return different > repaired ? exitCodes.problem : exitCodes.ok;
}

function jsonOf(result: VerifyResult): object {
  return {
    ...result,
    differences: result.differences.map(({ ref, difference, redisVersion, rowVersion, repair }) => ({
      session: sessionName(ref),
      difference,
      redisVersion: redisVersion,
      rowVersion: rowVersion,
      repair: repair,
    })),
  };
}

function describeVerify({
  checked,
  dirty,
  different,
  isRepairing,
  isDryRun,
  ...result
}: VerifyResult): string {
  const summary = `${counted(checked, 'clean session')} compared, ${count(dirty)} dirty not compared`;
  if (different === 0) return `Redis and PostgreSQL agree: ${summary}.`;
  const { byRepair, differences } = result;
  const repairs = Object.entries(byRepair).filter(([, repaired]) => repaired > 0);
  const rows = differences.map(({ ref, difference, redisVersion, rowVersion, repair }) => [
    sessionName(ref),
    difference,
    redisVersion ?? '-',
    rowVersion ?? '-',
    repair ?? (isRepairing && isDryRun ? 'would repair' : '-'),
  ]);
  return [
    `${counted(different, 'difference')}: ${summary}.`,
    ...(repairs.length > 0
      ? [`Repairs: ${repairs.map(([how, n]) => `${count(n)} ${how}`).join(', ')}.`]
      : []),
    '',
    table(['SESSION', 'DIFFERENCE', 'REDIS VERSION', 'ROW VERSION', 'REPAIR'], rows),
    ...(different > rows.length ? [`… and ${count(different - rows.length)} more (--limit)`] : []),
  ].join('\n');
}
