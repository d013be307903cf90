import * as admin from '@cauce/admin';
import { hostClocks, plainTextWarning, withoutCredentials } from '@cauce/protocol';
import type { Option } from 'commander';
import type { CliContext } from './context.ts';
import type { ExitCode } from './exit-codes.ts';
import type { Output } from './output.ts';
import type { SettingName, Settings } from './settings.ts';

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

/** Opens Redis, runs the work, closes Redis. @throws RedisError when it cannot be reached */
export function withRedis<T>(
  invocation: Invocation<unknown>,
  work: (deps: Omit<admin.AdminDeps, 'queries'>) => Promise<T>,
): Promise<T> {
  return admin.withRedis(openDeps(invocation), invocation.settings, work);
}

/** Opens PostgreSQL lazily, runs the work, closes it. */
export function withPostgres<T>(
  invocation: Invocation<unknown>,
  work: (deps: Pick<admin.AdminDeps, 'queries'>) => Promise<T>,
): Promise<T> {
  return admin.withPostgres(openDeps(invocation), invocation.settings, work);
}

/** Opens both. */
export function withStores<T>(
  invocation: Invocation<unknown>,
  work: (deps: admin.AdminDeps) => Promise<T>,
): Promise<T> {
  return admin.withStores(openDeps(invocation), invocation.settings, work);
}

function openDeps({ context, output }: Invocation<unknown>): admin.OpenDeps {
  return {
    openers: context,
    clocks: { ...hostClocks, wallClockMs: context.nowMs },
    onPlainText(store, hosts) {
      const warning = plainTextWarning(store, hosts);
      if (warning !== undefined) output.note(`warning: ${warning} (${hosts.join(', ')})`);
    },
  };
}

/** Which deployment the command looks at. */
export function describeTarget({ REDIS_URL, SESSION_KEY_PREFIX, SESSION_PARTITIONS }: Settings): string {
  return `${withoutCredentials(REDIS_URL ?? '')} · prefix ${SESSION_KEY_PREFIX} · ${SESSION_PARTITIONS} partitions`;
}
