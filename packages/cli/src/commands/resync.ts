import { consumerOptions, resync } from '@cauce/sync-consumer';
import { Option } from 'commander';
import { parseMoment } from '../arguments.ts';
import { type CommandDescriptor, withRedis } from '../command.ts';
import { exitCodes } from '../exit-codes.ts';
import { count, counted } from '../render.ts';

interface ResyncFlags {
  /** ms since 1970. */
  readonly since?: (nowMs: number) => number;
}

export const resyncCommand: CommandDescriptor<ResyncFlags> = {
  name: 'resync',
  summary: 'carry what Redis holds to PostgreSQL again',
  description:
    'For a PostgreSQL that lost what it had committed: a backup was restored, or a standby promoted that was behind. ' +
    'Announces every session in Redis again, at the version it has; rows that are as new stay as they are. Consumers ' +
    'do it by themselves when they see another database or timeline; a restored disk snapshot looks the same. ' +
    'Sessions that left Redis since cannot be given back.',
  options: [
    new Option(
      '--since <moment>',
      'only what was saved since: 30m or 2h ago, or 2026-01-31T18:00Z. PostgreSQL gets a save up to a sync interval ' +
        'later, so choose an earlier moment rather than a later one',
    ).argParser(parseMoment),
  ],
  examples: ['resync', 'resync --since 2h', 'resync --since 2026-01-31T18:00Z && cauce drain'],
  exitCodes: [],
  required: ['REDIS_URL'],

  async run(invocation) {
    const { context, settings, output, options, signal } = invocation;
    const sinceMs = options.since?.(context.nowMs()) ?? 0;
    const sinceVersion = (BigInt(Math.floor(sinceMs)) * 1000n).toString();
    const { batchRows } = consumerOptions(settings);
    const result = await withRedis(invocation, (deps) => resync(deps, { sinceVersion, batchRows, signal }));
    output.result(
      { sinceVersion, ...result },
      `${counted(result.announced, 'session')} announced again; ${count(result.dirty)} were on their way, ` +
        `${count(result.older)} are older. \`cauce drain\` waits until they have arrived.`,
    );
    return exitCodes.ok;
  },
};
