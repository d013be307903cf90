import {
  discardParked,
  listParked,
  type ParkedDetail,
  type ParkedSession,
  type RetryResult,
  retryParked,
  showParked,
  syncOptionsOf,
} from '@cauce/admin';
import { Option } from 'commander';
import { parseCount, parseSession } from '../arguments.ts';
import {
  type AnyCommand,
  type CommandArgument,
  type CommandDescriptor,
  withRedis,
  withStores,
} from '../command.ts';
import { exitCodes } from '../exit-codes.ts';
import { CommandError, exitCodeOf, hintFor } from '../explain-error.ts';
import { bytes, count, counted, fields, relativeTime, sessionName, table } from '../render.ts';
import {
  confirmDestroying,
  type DryRunOption,
  dryRunOption,
  type PatienceOption,
  patienceOption,
  type YesOption,
  yesOption,
} from '../shared-options.ts';

type Ref = ParkedSession['ref'];

const sessionArgument: CommandArgument = {
  name: '<session>',
  description: 'tenant:user as `cauce parked list` shows it, or a user of the default tenant',
  parse: parseSession,
};

const listCommand: CommandDescriptor<{ readonly limit: number }> = {
  name: 'parked list',
  summary: 'list the parked sessions',
  description:
    'Lists the sessions that PostgreSQL refuses, the latest refusal first. They stay in Redis. The consumer tries them ' +
    'again, with longer and longer pauses.',
  options: [new Option('--limit <count>', 'list at most this many').argParser(parseCount).default(100)],
  examples: ['parked list', 'parked list --limit 1000 --json'],
  exitCodes: [
    [exitCodes.ok, 'nothing is parked'],
    [exitCodes.problem, 'sessions are parked'],
  ],
  required: ['REDIS_URL'],

  async run(invocation) {
    const { context, output, options } = invocation;
    const { total, sessions, foreign } = await withRedis(invocation, (deps) =>
      listParked(deps, { limit: options.limit }),
    );
    const nowMs = context.nowMs();
    const rows = sessions.map(({ ref, record }) =>
      record
        ? [
            sessionName(ref),
            record.sqlState,
            record.attempts,
            record.version,
            relativeTime(record.firstSeenMs, nowMs),
            relativeTime(record.lastSeenMs, nowMs),
            relativeTime(Math.max(record.retryAtMs, nowMs), nowMs),
          ]
        : [sessionName(ref), '?', 0, '?', '?', '?', 'now'],
    );
    output.result(
      { total, foreign, sessions: sessions.map(jsonOf) },
      total === 0
        ? 'Nothing is parked.'
        : `${counted(total, 'parked session')}\n\n${table(
            ['SESSION', 'SQLSTATE', 'ATTEMPTS', 'VERSION', 'FIRST SEEN', 'LAST SEEN', 'RETRY'],
            rows,
          )}`,
    );
    if (foreign > 0) {
      output.note(
        `${counted(foreign, 'field', 'fields')} of the parked hashes name no session: another program wrote them.`,
      );
    }
    return total === 0 ? exitCodes.ok : exitCodes.problem;
  },
};

const showCommand: CommandDescriptor<{ readonly includeState?: boolean }> = {
  name: 'parked show',
  summary: 'show one parked session',
  description: 'Shows why a session is parked, and what Redis and PostgreSQL have of it.',
  arguments: [sessionArgument],
  options: [new Option('--include-state', 'also show the state; it may contain personal data')],
  examples: ['parked show acme:ana', 'parked show acme:ana --include-state --json'],
  exitCodes: [[exitCodes.failure, 'it is not parked']],
  required: ['REDIS_URL', 'DATABASE_URL'],

  async run(invocation) {
    const { context, output, options, args } = invocation;
    const ref = args[0] as Ref;
    const detail = await withStores(invocation, (deps) =>
      showParked(deps, ref, { includeState: options.includeState ?? false }),
    );
    if (!detail) throw notParked(ref);
    const { redis, row, rowProblem, state } = detail;
    output.result(
      {
        ...jsonOf(detail),
        redis,
        row,
        rowProblem: rowProblem?.summary,
        ...(state === undefined ? {} : { state }),
      },
      describeDetail(detail, context.nowMs()),
    );
    return exitCodes.ok;
  },
};

interface RetryFlags extends DryRunOption, PatienceOption {
  readonly all?: boolean;
}

const retryCommand: CommandDescriptor<RetryFlags> = {
  name: 'parked retry',
  summary: 'try one or all parked sessions now',
  description:
    'Tries parked sessions now, with the pipeline of the sync consumer. First fix the reason for which PostgreSQL ' +
    'refuses them.',
  arguments: [{ ...sessionArgument, name: '[session]' }],
  options: [new Option('--all', 'all of them'), patienceOption(), dryRunOption()],
  examples: ['parked retry acme:ana', 'parked retry --all --dry-run', 'parked retry --all'],
  exitCodes: [
    [exitCodes.ok, 'none of them is parked any more'],
    [exitCodes.problem, 'PostgreSQL still refuses some of them'],
  ],
  required: ['REDIS_URL', 'DATABASE_URL'],

  async run(invocation) {
    const { settings, output, options, args, signal } = invocation;
    const ref = args[0] as Ref | undefined;
    if ((ref === undefined) !== (options.all === true)) {
      throw new CommandError('Name one session, or give --all.');
    }
    const result = await withStores(invocation, (deps) =>
      retryParked(deps, {
        ...syncOptionsOf(settings),
        ref,
        isDryRun: options.dryRun ?? false,
        patienceMs: options.patience,
        signal,
      }),
    );
    const { isDryRun, sessions, problem, report } = result;
    if (ref && sessions.length === 0 && !problem) throw notParked(ref);
    output.result(
      {
        isDryRun,
        sessions: sessions.map((one) => ({
          session: sessionName(one.ref),
          outcome: one.outcome,
          sqlState: one.sqlState,
        })),
        report,
        problem,
      },
      describeRetry(result),
    );
    if (problem) {
      output.note(
        `PostgreSQL ended it early: ${problem.summary}. Nothing is lost. ${hintFor(problem) ?? ''}`.trimEnd(),
      );
      return exitCodeOf(problem);
    }
    return sessions.some(({ outcome }) => outcome === 'parked') ? exitCodes.problem : exitCodes.ok;
  },
};

interface DiscardFlags extends DryRunOption, YesOption {
  readonly ifVersion?: string;
}

const discardCommand: CommandDescriptor<DiscardFlags> = {
  name: 'parked discard',
  summary: 'give up the unsynced change of one parked session',
  description:
    'Removes a parked session from Redis. Its unsynced change is lost forever; the next load restores what ' +
    'PostgreSQL has. A session that was saved after it was parked stays.',
  arguments: [sessionArgument],
  options: [
    new Option('--if-version <version>', 'only if Redis still holds this version'),
    dryRunOption(),
    yesOption(),
  ],
  examples: [
    'parked discard acme:ana --dry-run',
    'parked discard acme:ana --if-version 1763830000123500 --yes',
  ],
  exitCodes: [
    [exitCodes.failure, 'it is not parked, or not confirmed'],
    [exitCodes.problem, 'it was saved since, or cannot be read; nothing was changed'],
  ],
  required: ['REDIS_URL'],

  async run(invocation) {
    const { output, options, args } = invocation;
    const ref = args[0] as Ref;
    const isDryRun = options.dryRun ?? false;
    if (!isDryRun) {
      await confirmDestroying(invocation, `This loses the unsynced change of ${sessionName(ref)} forever.`);
    }
    const { outcome, version } = await withRedis(invocation, (deps) =>
      discardParked(deps, ref, { ifVersion: options.ifVersion, isDryRun }),
    );
    if (outcome === 'gone') throw notParked(ref);
    const text = {
      discarded: `${isDryRun ? 'Would discard' : 'Discarded'} version ${version} of ${sessionName(ref)}.`,
      superseded: `${sessionName(ref)} was saved since: nothing ${isDryRun ? 'would be' : 'was'} changed.`,
      unreadable:
        `What Redis holds under the key of ${sessionName(ref)} is not a session: nothing ` +
        `${isDryRun ? 'would be' : 'was'} changed. Delete the key, then run this command again.`,
    }[outcome];
    output.result({ isDryRun, session: sessionName(ref), version, outcome }, text);
    return outcome === 'discarded' ? exitCodes.ok : exitCodes.problem;
  },
};

export const parkedCommands: readonly AnyCommand[] = [listCommand, showCommand, retryCommand, discardCommand];

function jsonOf({ ref, record }: ParkedSession): object {
  return { session: sessionName(ref), ...ref, record };
}

function notParked(ref: Ref): CommandError {
  return new CommandError(`${sessionName(ref)} is not parked.`, {
    exitCode: exitCodes.failure,
    hint: 'See `cauce parked list`.',
  });
}

function describeDetail({ ref, record, redis, row, rowProblem, state }: ParkedDetail, nowMs: number): string {
  const inRedis = redis
    ? `version ${redis.version} (${redis.isParkedVersion ? 'the parked one' : 'saved since it was parked'}), ` +
      (redis.isTombstone ? 'cleared' : bytes(redis.sizeBytes))
    : 'nothing';
  const inPostgres = rowProblem
    ? `unknown: ${rowProblem.summary}`
    : row
      ? `version ${row.version}${row.isTombstone ? ', cleared' : ''}`
      : 'no row';
  const rest = fields([
    ...(record
      ? ([
          [
            'refused with',
            /^(?=.*\d)\w{5}$/.test(record.sqlState) ? `SQLSTATE ${record.sqlState}` : record.sqlState,
          ],
          ['version', record.version],
          ['attempts', record.attempts],
          ['first seen', relativeTime(record.firstSeenMs, nowMs)],
          ['last seen', relativeTime(record.lastSeenMs, nowMs)],
          ['retry', relativeTime(Math.max(record.retryAtMs, nowMs), nowMs)],
        ] as const)
      : []),
    ['Redis', inRedis],
    ['PostgreSQL', inPostgres],
    ...(state === undefined ? [] : [['state', state] as const]),
  ]);
  return `${sessionName(ref)}\n${rest}`;
}

function describeRetry({ isDryRun, sessions }: RetryResult): string {
  if (sessions.length === 0) return 'Nothing is parked.';
  const rows = sessions.map(({ ref, outcome, sqlState }) => [
    sessionName(ref),
    outcome ?? 'would retry',
    sqlState ?? '-',
  ]);
  const synced = sessions.filter(({ outcome }) => outcome === 'synced').length;
  const summary = isDryRun
    ? `Would retry ${counted(sessions.length, 'parked session')}.`
    : `Retried ${counted(sessions.length, 'parked session')}: ${count(synced)} synced.`;
  return `${summary}\n\n${table(['SESSION', 'OUTCOME', 'SQLSTATE'], rows)}`;
}
