import { createQueries, plainTextHosts } from '@cauce/postgres';
import {
  createKeyspace,
  createScripts,
  plainTextWarning,
  type RedisConnection,
  redisTlsFilesOf,
  type SettingName,
  type Settings,
  withoutCredentials,
} from '@cauce/protocol';
import { type AdminDeps, consumerOptions } from '@cauce/sync-consumer';
import type { Option } from 'commander';
import type { CliContext, PostgresPool } from './context.ts';
import type { ExitCode } from './exit-codes.ts';
import type { Output } from './output.ts';

/** One use of a command. */
export interface Invocation<Options> {
  readonly context: CliContext;
  readonly settings: Settings;
  readonly output: Output;
  /** Positional arguments, parsed. */
  readonly args: readonly unknown[];
  readonly options: Options;
  readonly signal: AbortSignal;
}

export interface CommandArgument {
  readonly name: string;
  readonly description: string;
  readonly parse: (text: string) => unknown;
}

/** What `cauce` knows of a command: how it reads on the command line, in the help, and what it does. */
export interface CommandDescriptor<Options> {
  /** One word, or a group and a word: `parked list`. */
  readonly name: string;
  readonly summary: string;
  readonly description: string;
  readonly arguments?: readonly CommandArgument[];
  readonly options?: readonly Option[];
  /** Command lines without the leading `cauce `. */
  readonly examples: readonly string[];
  /** Beyond those every command has. */
  readonly exitCodes: readonly (readonly [code: ExitCode, meaning: string])[];
  /** Settings that must be there. */
  readonly required: readonly SettingName[];
  run(invocation: Invocation<Options>): Promise<ExitCode>;
}

/** A descriptor whose options only its own `run` knows. */
export type AnyCommand = CommandDescriptor<never>;

const LONG_STATEMENT_MS = 600_000;

/** Opens Redis, runs the work, closes Redis. @throws RedisError when it cannot be reached */
export async function withRedis<T>(
  { context, settings, output }: Invocation<unknown>,
  work: (deps: Omit<AdminDeps, 'queries'>) => Promise<T>,
): Promise<T> {
  const url = settings.REDIS_URL ?? '';
  const opened = context.openRedis(url, redisTlsFilesOf(settings));
  warnOfPlainText(output, 'Redis', opened.plainTextHosts);
  try {
    await opened.ready(context.connectTimeoutMs);
    return await work(redisDeps(opened.redis, settings));
  } finally {
    await opened.close();
  }
}

/** Opens PostgreSQL lazily, runs the work, closes it. */
export async function withPostgres<T>(
  { context, settings, output }: Invocation<unknown>,
  work: (deps: Pick<AdminDeps, 'queries'>) => Promise<T>,
): Promise<T> {
  const url = settings.DATABASE_URL ?? '';
  warnOfPlainText(output, 'PostgreSQL', plainTextHosts(url));
  const pool = context.openPostgres(url, {
    maxConnections: settings.SYNC_BATCHES_IN_FLIGHT + 1,
  });
  try {
    return await work({ queries: queriesOf(pool, settings) });
  } finally {
    await pool.end();
  }
}

/** Opens both. */
export function withStores<T>(
  invocation: Invocation<unknown>,
  work: (deps: AdminDeps) => Promise<T>,
): Promise<T> {
  return withRedis(invocation, (redis) =>
    withPostgres(invocation, (postgres) => work({ ...redis, ...postgres })),
  );
}

function warnOfPlainText(output: Output, store: 'Redis' | 'PostgreSQL', hosts: readonly string[]): void {
  const warning = plainTextWarning(store, hosts);
  if (warning !== undefined) output.note(`warning: ${warning} (${hosts.join(', ')})`);
}

/** Which deployment the command looks at. */
export function describeTarget({ REDIS_URL, SESSION_KEY_PREFIX, SESSION_PARTITIONS }: Settings): string {
  return `${withoutCredentials(REDIS_URL ?? '')} · prefix ${SESSION_KEY_PREFIX} · ${SESSION_PARTITIONS} partitions`;
}

function redisDeps(redis: RedisConnection, settings: Settings): Omit<AdminDeps, 'queries'> {
  const keyspace = createKeyspace({
    keyPrefix: settings.SESSION_KEY_PREFIX,
    partitions: settings.SESSION_PARTITIONS,
  });
  const timeoutMs = consumerOptions(settings).redisTimeoutMs;
  return { redis, keyspace, scripts: createScripts({ redis, keyspace }, { timeoutMs }) };
}

function queriesOf(pool: PostgresPool, settings: Settings): AdminDeps['queries'] {
  return createQueries(pool, { ...consumerOptions(settings), longTimeoutMs: LONG_STATEMENT_MS });
}
