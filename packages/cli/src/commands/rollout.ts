import { hostname } from 'node:os';
import {
  type Move,
  type RolloutResult,
  type RolloutStatus,
  readRollout,
  setRollout,
  startRollout,
  syncOptionsOf,
} from '@cauce/admin';
import { InvalidArgumentError, Option } from 'commander';
import { parseDuration } from '../arguments.ts';
import { type AnyCommand, type CommandDescriptor, type Invocation, withStores } from '../command.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { CommandError } from '../explain-error.ts';
import { count, counted, duration, relativeTime, table } from '../render.ts';

interface MoveFlags {
  readonly deadline: number;
}

interface StartFlags extends MoveFlags {
  readonly from?: 'redis' | 'direct';
}

const LIMITS =
  'All bots have to use createRolloutSessions. Not built yet: a way back while Redis is away; noticing that PostgreSQL ' +
  'was promoted or restored to an earlier time (move nothing then, and keep all partitions where they are).';

const deadlineOption = (): Option =>
  new Option('--deadline <duration>', 'longest time in which saves of one partition may be refused')
    .argParser(parseDuration)
    .default(5000, '5s');

const moveExitCodes: CommandDescriptor<never>['exitCodes'] = [
  [exitCodes.ok, 'every partition is where it should be, and both stores say so'],
  [exitCodes.problem, 'some partitions could not be moved and are where they were; the output says why'],
];

const statusCommand: CommandDescriptor<object> = {
  name: 'rollout status',
  summary: 'where the sessions of each partition are saved',
  description:
    'Shows the writer mode of the partitions, as PostgreSQL stores it, and whether Redis knows it. Without writer modes ' +
    'all sessions are saved in Redis.',
  examples: ['rollout status', 'rollout status --json'],
  exitCodes: [
    [exitCodes.problem, 'a partition is on its way, or Redis does not know its mode: its saves are refused'],
  ],
  required: ['REDIS_URL', 'DATABASE_URL'],

  async run(invocation) {
    const status = await withStores(invocation, readRollout);
    invocation.output.result(status, describeStatus(status, invocation.context.nowMs()));
    return unsettled(status).length > 0 ? exitCodes.problem : exitCodes.ok;
  },
};

const startCommand: CommandDescriptor<StartFlags> = {
  name: 'rollout start',
  summary: 'store where the sessions are saved today',
  description:
    'Gives every partition its first writer mode. From then on each save and each sync asks for it. Run it before the ' +
    `first \`rollout set\`. It changes nothing if the modes are stored already. ${LIMITS}`,
  options: [
    new Option('--from <store>', 'where the sessions are saved today').choices(['redis', 'direct']),
    deadlineOption(),
  ],
  examples: ['rollout start --from redis', 'rollout start --from direct'],
  exitCodes: [
    ...moveExitCodes,
    [exitCodes.failure, '--from direct, and Redis has sessions that PostgreSQL does not have'],
  ],
  required: ['REDIS_URL', 'DATABASE_URL'],

  async run(invocation) {
    const { options, output } = invocation;
    const { from } = options;
    if (!from)
      throw new CommandError('Say where the sessions are saved today: --from redis or --from direct.');
    const result = await withStores(invocation, (deps) =>
      startRollout(deps, { ...moveOptions(invocation), from }),
    );
    if (result.dirtySessions > 0) {
      throw new CommandError(
        `${counted(result.dirtySessions, 'session')} in Redis have changes that PostgreSQL does not have, so they are ` +
          'not saved directly today. Nothing was changed.',
        { exitCode: exitCodes.failure, hint: 'Run `cauce drain`, or start with --from redis.' },
      );
    }
    if (result.started === 0) output.note('The writer modes are stored already; nothing was changed.');
    return report(invocation, result);
  },
};

const setCommand: CommandDescriptor<MoveFlags> = {
  name: 'rollout set',
  summary: 'save so many per cent of the sessions in Redis',
  description:
    'Moves partitions until so many per cent of them are in Redis; the others are saved directly in PostgreSQL. Who is in ' +
    'Redis at 10 % is so at 50 %. While a partition is moved its saves wait, usually for less than a second. What cannot ' +
    'be moved within the deadline goes back to where it was. If it is stopped, run it again, with any percentage. ' +
    LIMITS,
  arguments: [{ name: 'percent', description: '0 to 100', parse: parsePercent }],
  options: [deadlineOption()],
  examples: ['rollout set 10', 'rollout set 100', 'rollout set 50 --deadline 2s --json'],
  exitCodes: moveExitCodes,
  required: ['REDIS_URL', 'DATABASE_URL'],
  run: (invocation) => moveTo(invocation, invocation.args[0] as number),
};

const backCommand: CommandDescriptor<MoveFlags> = {
  name: 'rollout back',
  summary: 'save all sessions directly in PostgreSQL again',
  description:
    'The same as `rollout set 0`: what is only in Redis is synced, partition by partition, before it is saved directly. ' +
    LIMITS,
  options: [deadlineOption()],
  examples: ['rollout back', 'rollout back --json'],
  exitCodes: moveExitCodes,
  required: ['REDIS_URL', 'DATABASE_URL'],
  run: (invocation) => moveTo(invocation, 0),
};

export const rolloutCommands: readonly AnyCommand[] = [statusCommand, startCommand, setCommand, backCommand];

async function moveTo(invocation: Invocation<MoveFlags>, percent: number): Promise<ExitCode> {
  const result = await withStores(invocation, async (deps) => {
    if (!(await readRollout(deps)).isStarted) {
      throw new CommandError('No writer modes are stored.', { hint: 'Run `cauce rollout start` first.' });
    }
    return setRollout(deps, percent, moveOptions(invocation));
  });
  return report(invocation, result);
}

function moveOptions({ settings, options, signal, output }: Invocation<MoveFlags>) {
  let moved = 0;
  return {
    ...syncOptionsOf(settings),
    ...{ actor: `cauce on ${hostname()}`, deadlineMs: options.deadline, signal },
    onMoved: ({ partition }: Move) => {
      moved++;
      output.progress(`moving: ${counted(moved, 'partition')}, last ${partition}`);
    },
  };
}

function report({ output, context }: Invocation<unknown>, result: RolloutResult): ExitCode {
  const { moves, aborted, status } = result;
  const longestMs = Math.max(0, ...moves.map(({ closedMs }) => closedMs));
  const lines = [
    describeStatus(status, context.nowMs()),
    `Moved ${counted(moves.length - aborted, 'partition')}; saves of one waited for ${duration(longestMs)} at most.`,
  ];
  output.result(result, lines.join('\n'));
  for (const { partition, obstacle } of moves) {
    if (obstacle !== undefined) output.note(`partition ${partition} stayed: ${obstacles[obstacle]}`);
  }
  return aborted > 0 || unsettled(status).length > 0 ? exitCodes.problem : exitCodes.ok;
}

const obstacles: Readonly<Record<NonNullable<Move['obstacle']>, string>> = {
  dirty: 'its sessions were not synced in time. Look at `cauce status`, and give a longer --deadline.',
  parked: 'PostgreSQL refuses sessions of it. See `cauce parked list`.',
  leftover: 'Redis has changes from before it was saved directly. See docs/failure-modes.md.',
  database: 'a consumer has to sync it to this table again first. Start one, and try again in a minute.',
  locked: 'a transaction in PostgreSQL held it. Try again.',
};

function unsettled({ partitions }: RolloutStatus): RolloutStatus['partitions'] {
  return partitions.filter(({ mode, isCopied }) => !isCopied || mode === 'to_redis' || mode === 'to_direct');
}

function describeStatus(status: RolloutStatus, nowMs: number): string {
  const { isStarted, partitions, percentInRedis } = status;
  if (!isStarted) return 'No rollout: all sessions are saved in Redis.';
  const inRedis = partitions.filter(({ mode }) => mode === 'redis').length;
  const summary = `${count(inRedis)} of ${counted(partitions.length, 'partition')} in Redis (${percentInRedis.toFixed(1)} %).`;
  const open = unsettled(status);
  if (open.length === 0) return summary;
  const rows = open.map(({ partition, mode, term, copied, changedAt, changedBy }) => [
    partition,
    `${mode} (term ${term})`,
    copied ? `${copied.mode} (term ${copied.term})` : 'nothing',
    `${relativeTime(changedAt.getTime(), nowMs)} by ${changedBy}`,
  ]);
  return `${summary}\n\n${table(['partition', 'PostgreSQL', 'Redis', 'changed'], rows)}\n\nSaves of these are refused: run \`cauce rollout set\` with any percentage.`;
}

function parsePercent(text: string): number {
  const percent = /^\d{1,3}(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (!(percent >= 0 && percent <= 100)) throw new InvalidArgumentError('Give a number from 0 to 100.');
  return percent;
}
