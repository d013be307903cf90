import { setTimeout as delay } from 'node:timers/promises';
import { readStatus, type Status, type StatusDeps } from '@cauce/admin';
import { isCauceError, printable } from '@cauce/protocol';
import { Option } from 'commander';
import { parseDuration, parseSeconds } from '../arguments.ts';
import {
  type CommandDescriptor,
  describeTarget,
  type Invocation,
  withPostgres,
  withRedis,
} from '../command.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { explainError } from '../explain-error.ts';
import type { Output } from '../output.ts';
import { bytes, count, counted, duration, fields, relativeTime, table } from '../render.ts';

interface StatusFlags {
  /** Seconds; true when given without a value. */
  readonly watch?: number | true;
  readonly sample: number;
  readonly maxLag?: number;
}

const DEFAULT_WATCH_SECONDS = 2;

export const statusCommand: CommandDescriptor<StatusFlags> = {
  name: 'status',
  summary: 'show the sync lag, the consumers and both stores',
  description:
    'Shows writes, sync lag, queue, consumers and both stores. It works while PostgreSQL is away, and without ' +
    'DATABASE_URL. Redis itself measures the latencies, without the network.',
  options: [
    new Option('-w, --watch [seconds]', 'repeat until Ctrl-C').argParser(parseSeconds),
    new Option('--sample <duration>', 'how long to count writes; 0ms: do not count')
      .argParser(parseDuration)
      .default(1000, '1s'),
    new Option('--max-lag <duration>', 'exit 3 if the sync lag is longer').argParser(parseDuration),
  ],
  examples: ['status', 'status --watch 5', 'status --json --max-lag 2m', 'status --watch --json | jq .sync'],
  exitCodes: [
    [exitCodes.ok, 'no problem'],
    [
      exitCodes.problem,
      'no consumer while sessions are dirty, PostgreSQL away, parked sessions, unsafe Redis, or lag above --max-lag',
    ],
    [exitCodes.unreachable, 'Redis cannot be reached'],
  ],
  required: ['REDIS_URL'],

  run(invocation) {
    const { settings, options } = invocation;
    return withRedis(invocation, (redis) =>
      settings.DATABASE_URL === undefined
        ? show({ ...redis, queries: undefined })
        : withPostgres(invocation, ({ queries }) => show({ ...redis, queries })),
    );

    function show(deps: StatusDeps): Promise<ExitCode> {
      return options.watch === undefined ? showOnce(invocation, deps) : watch(invocation, deps);
    }
  },
};

async function showOnce(invocation: Invocation<StatusFlags>, deps: StatusDeps): Promise<ExitCode> {
  const { output } = invocation;
  const status = await read(invocation, deps);
  output.result(status, describeStatus(status, invocation));
  return status.problems.length > 0 ? exitCodes.problem : exitCodes.ok;
}

/** Until the signal, which is how one leaves it and no error. */
async function watch(invocation: Invocation<StatusFlags>, deps: StatusDeps): Promise<ExitCode> {
  try {
    return await watchOn(invocation, deps);
  } catch (error) {
    if (invocation.signal.aborted) return exitCodes.interrupted;
    throw error;
  }
}

async function watchOn(invocation: Invocation<StatusFlags>, deps: StatusDeps): Promise<never> {
  const { output, options, signal } = invocation;
  const seconds = typeof options.watch === 'number' ? options.watch : DEFAULT_WATCH_SECONDS;
  for (;;) {
    const startedAtMs = performance.now();
    try {
      const status = await read(invocation, deps);
      output.redraw(status, describeStatus(status, invocation), describeInOneLine(status));
    } catch (error) {
      // Redis may come back while somebody watches.
      if (signal.aborted || !isCauceError(error) || !error.retryable) throw error;
      output.note(explainError(error, signal).message);
    }
    await delay(Math.max(100, seconds * 1000 - (performance.now() - startedAtMs)), undefined, { signal });
  }
}

function read({ options, signal }: Invocation<StatusFlags>, deps: StatusDeps): Promise<Status> {
  return readStatus(deps, {
    sampleMs: options.sample,
    maxLagMs: options.maxLag,
    signal,
  });
}

function describeStatus(status: Status, { context, settings, output }: Invocation<unknown>): string {
  const nowMs = context.nowMs();
  const { sync, consumers } = status;
  const sections = [
    describeTarget(settings),
    titled(output, 'Sync', [
      ['dirty sessions', sync.dirtySessions],
      [
        'sync lag',
        sync.dirtySessions === 0 ? 'none' : `${duration(sync.oldestDirtyAgeMs)} (oldest dirty session)`,
      ],
      ['events in the streams', sync.streamEvents],
      ['pending events', sync.pendingEvents],
      ['parked', sync.parkedSessions],
      ['last sync', lastSync(sync, nowMs)],
      ['failed syncs', sync.failedSyncs],
    ]),
    titled(output, 'Redis', describeRedis(status.redis)),
    titled(output, 'PostgreSQL', [['state', describePostgres(status.postgres)]]),
    `${output.paint('bold', 'Consumers')}\n${
      consumers.length === 0
        ? '  none'
        : table(
            ['  NAME', 'STATE', 'SEEN', 'PROBLEM'],
            consumers.map((one) => [
              `  ${one.consumer}`,
              one.state,
              relativeTime(one.seenAtMs, nowMs),
              one.problem ?? '-',
            ]),
          )
    }`,
    ...status.warnings.map((warning) => `${output.paint('yellow', 'warning:')} ${printable(warning)}`),
    ...status.problems.map(({ message }) => `${output.paint('red', 'problem:')} ${printable(message)}`),
  ];
  return sections.join('\n');
}

function titled(output: Output, title: string, entries: Parameters<typeof fields>[0]): string {
  return `${output.paint('bold', title)}\n${fields(entries)}`;
}

function lastSync({ lastSyncAtMs, lastSyncDurationMs }: Status['sync'], nowMs: number): string {
  if (lastSyncAtMs === undefined) return 'unknown';
  const took =
    lastSyncDurationMs === undefined ? '' : `, the last with sessions took ${duration(lastSyncDurationMs)}`;
  return `${relativeTime(lastSyncAtMs, nowMs)}${took}`;
}

function describeRedis(redis: Status['redis']): [string, string][] {
  const limit =
    redis.maxMemoryBytes === 0
      ? 'no limit'
      : `${bytes(redis.maxMemoryBytes)} (${Math.round((100 * redis.usedMemoryBytes) / redis.maxMemoryBytes)} %)`;
  const ms = (value: number | undefined): string => (value === undefined ? 'unknown' : duration(value));
  return [
    ['version', redis.version],
    [
      'writes',
      redis.writesPerSecond === undefined ? 'unknown' : `${count(Math.round(redis.writesPerSecond))}/s`,
    ],
    ['scripts', `mean ${ms(redis.scriptMeanMs)}, p99 ${ms(redis.scriptP99Ms)} (server-side)`],
    ['memory', `${bytes(redis.usedMemoryBytes)} of ${limit}`],
    ['policy', redis.maxMemoryPolicy],
    ['append-only file', redis.isAppendOnly ? 'on' : 'off'],
  ];
}

function describePostgres({ state, problem, rows }: Status['postgres']): string {
  if (state === 'up') return rows === undefined ? 'up' : `up, about ${counted(rows, 'row')}`;
  if (state === 'not_configured') return 'not configured here (DATABASE_URL)';
  return problem === undefined ? state : `${state}: ${problem}`;
}

function describeInOneLine({ atMs, sync, redis, postgres, problems }: Status): string {
  return [
    new Date(atMs).toISOString(),
    `writes ${redis.writesPerSecond === undefined ? '?' : Math.round(redis.writesPerSecond)}/s`,
    `dirty ${sync.dirtySessions}`,
    `lag ${duration(sync.oldestDirtyAgeMs)}`,
    `pending ${sync.pendingEvents}`,
    `parked ${sync.parkedSessions}`,
    `postgres ${postgres.state}`,
    problems.length === 0 ? 'ok' : problems.map(({ code }) => code).join(','),
  ].join('  ');
}
