import { type DrainResult, drain, syncOptionsOf } from '@cauce/admin';
import { Option } from 'commander';
import { parseDuration } from '../arguments.ts';
import { type CommandDescriptor, withStores } from '../command.ts';
import { exitCodes } from '../exit-codes.ts';
import { hintFor } from '../explain-error.ts';
import { count, counted, duration } from '../render.ts';

interface DrainFlags {
  readonly deadline: number;
}

export const drainCommand: CommandDescriptor<DrainFlags> = {
  name: 'drain',
  summary: 'sync until PostgreSQL has everything',
  description:
    'Syncs until no session is dirty. It announces sessions whose event was lost, takes over the events of consumers ' +
    'that are gone, syncs what waits, and waits for what live consumers hold. Run it before you change Redis or the bot ' +
    'to another release. Stop the bot first, because new saves are synced too.',
  options: [
    new Option('--deadline <duration>', 'give up after this long')
      .argParser(parseDuration)
      .default(60_000, '60s'),
  ],
  examples: ['drain', 'drain --deadline 5m', 'drain --json && systemctl stop redis'],
  exitCodes: [
    [exitCodes.ok, 'empty: PostgreSQL has the newest version of every session'],
    [exitCodes.problem, 'some sessions are still only in Redis; nothing is lost, and the output says why'],
    [exitCodes.unreachable, 'Redis cannot be reached'],
  ],
  required: ['REDIS_URL', 'DATABASE_URL'],

  async run(invocation) {
    const { settings, output, options, signal } = invocation;
    const result = await withStores(invocation, (deps) =>
      drain(deps, {
        ...syncOptionsOf(settings),
        deadlineMs: options.deadline,
        signal,
        onProgress: ({ dirtyLeft, parkedLeft, problem }) =>
          output.progress(
            `draining: ${count(dirtyLeft)} dirty, ${count(parkedLeft)} parked` +
              (problem ? ` · PostgreSQL: ${problem.summary}` : ''),
          ),
      }),
    );
    output.result(result, describeDrain(result));
    if (result.problem) {
      output.note(`PostgreSQL: ${result.problem.summary}. ${hintFor(result.problem) ?? ''}`.trimEnd());
    }
    if (result.parkedLeft > 0) output.note('See `cauce parked list`.');
    return result.isEmpty ? exitCodes.ok : exitCodes.problem;
  },
};

function describeDrain({ isEmpty, dirtyLeft, parkedLeft, durationMs, report }: DrainResult): string {
  const synced = `${counted(report.written, 'session')} written here in ${duration(durationMs)}`;
  if (isEmpty) return `Empty: PostgreSQL has every session. ${synced}.`;
  return `Not empty: ${counted(dirtyLeft, 'session')} left only in Redis, ${count(parkedLeft)} of them parked. ${synced}.`;
}
