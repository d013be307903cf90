import { type ReplayResult, replay, syncOptionsOf } from '@cauce/admin';
import { Option } from 'commander';
import { parseCount, parseDuration } from '../arguments.ts';
import { type CommandDescriptor, withStores } from '../command.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { exitCodeOf, hintFor } from '../explain-error.ts';
import { count, counted, fields } from '../render.ts';
import {
  checkedPartition,
  type DryRunOption,
  dryRunOption,
  type PartitionOption,
  type PatienceOption,
  patienceOption,
} from '../shared-options.ts';

interface ReplayFlags extends DryRunOption, PartitionOption, PatienceOption {
  readonly minIdle: number;
  readonly consumer?: string;
}

export const replayCommand: CommandDescriptor<ReplayFlags> = {
  name: 'replay',
  summary: 'take over pending events and sync their sessions now',
  description:
    'Takes over the events that a consumer left pending, and syncs their sessions with the pipeline of the sync ' +
    'consumer. An old state never overwrites a newer row. What is in PostgreSQL already is only settled. You may ' +
    'stop the command at any time: nothing is lost.',
  options: [
    new Option(
      '--min-idle <duration>',
      'only events whose consumer gave no sign of life for this long; 0ms: all',
    )
      .argParser(parseDuration)
      .default(30_000, '30s'),
    new Option('--consumer <name>', 'only events of this consumer'),
    new Option('--partition <number>', 'only this partition').argParser(parseCount),
    patienceOption(),
    dryRunOption(),
  ],
  examples: ['replay --dry-run', 'replay', 'replay --consumer sync-7f9c-1-a1b2c3 --min-idle 0ms'],
  exitCodes: [
    [exitCodes.ok, 'everything that was taken over is settled'],
    [exitCodes.problem, 'PostgreSQL still refuses some sessions, or some are not settled'],
    [exitCodes.unreachable, 'Redis or PostgreSQL cannot be reached; what was taken over stays pending'],
  ],
  required: ['REDIS_URL', 'DATABASE_URL'],

  async run(invocation) {
    const { settings, output, options, signal } = invocation;
    const result = await withStores(invocation, (deps) =>
      replay(deps, {
        ...syncOptionsOf(settings),
        minIdleMs: options.minIdle,
        consumer: options.consumer,
        partition: checkedPartition(options, settings),
        isDryRun: options.dryRun ?? false,
        patienceMs: options.patience,
        signal,
        onProgress: ({ claimed }) => output.progress(`replaying: ${count(claimed)} events taken over`),
      }),
    );
    const { problem, ...data } = result;
    const { parked, held, postponed, fenced, skipped } = result.report;
    const stillFailing = parked + held + postponed + fenced + skipped;
    output.result({ ...data, stillFailing, problem }, describeReplay(result));
    if (problem) {
      output.note(
        `PostgreSQL ended the replay early: ${problem.summary}. What was not synced stays pending.` +
          ` ${hintFor(problem) ?? ''}`.trimEnd(),
      );
      return exitCodeOf(problem);
    }
    return exitCodeAfter(stillFailing);
  },
};

function exitCodeAfter(stillFailing: number): ExitCode {
  return stillFailing > 0 ? exitCodes.problem : exitCodes.ok;
}

function describeReplay({ isDryRun, found, claimed, report }: ReplayResult): string {
  if (isDryRun) return `Would take over ${counted(found, 'pending event')}.`;
  if (found === 0) return 'Nothing to replay.';
  const { malformed, statements, durationMs, ...outcomes } = report;
  return [
    `Took over ${count(claimed)} of ${counted(found, 'pending event')}.`,
    fields(Object.entries(outcomes)),
  ].join('\n');
}
