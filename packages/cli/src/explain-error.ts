import { isUnreachable, PostgresError, type PostgresFailure } from '@cauce/admin';
import { type CauceError, isCauceError, RedisError } from '@cauce/protocol';
import { ConfigurationError } from '@cauce/settings';
import { type ExitCode, exitCodes } from './exit-codes.ts';

/** An error as a person needs it: what, why, and what to do. */
export interface Explanation {
  readonly exitCode: ExitCode;
  /** Stable, for scripts. */
  readonly code: string;
  readonly message: string;
  readonly hint: string | undefined;
}

/** The command line was understood and cannot be done. Exit code 2, or another. */
export class CommandError extends Error {
  readonly exitCode: ExitCode;
  readonly hint: string | undefined;

  constructor(
    message: string,
    { exitCode = exitCodes.usage, hint }: { exitCode?: ExitCode; hint?: string } = {},
  ) {
    super(message);
    this.name = 'CommandError';
    this.exitCode = exitCode;
    this.hint = hint;
  }
}

const redisHint = 'Check that it runs, and REDIS_URL (or --redis-url).';
const postgresHint =
  'Check that it runs, and DATABASE_URL (or --database-url). Nothing is lost: sessions wait in Redis.';

export function explainError(error: unknown, signal: AbortSignal): Explanation {
  if (signal.aborted) {
    return { exitCode: exitCodes.interrupted, code: 'INTERRUPTED', message: 'Interrupted.', hint: undefined };
  }
  if (error instanceof CommandError) {
    return { exitCode: error.exitCode, code: 'USAGE', message: error.message, hint: error.hint };
  }
  if (error instanceof ConfigurationError) {
    const list = error.problems.map(({ name, message }) => `  ${name}${flagOf(name)} ${message}`).join('\n');
    const what =
      error.problems.length === 1 ? 'A setting is wrong' : `${error.problems.length} settings are wrong`;
    return {
      exitCode: exitCodes.usage,
      code: 'CONFIGURATION',
      message: `${what}:\n${list}`,
      hint: 'Set the environment variable, or give the flag.',
    };
  }
  if (error instanceof PostgresError) {
    const { failure, message, code } = error;
    return { exitCode: exitCodeOf(failure), code, message, hint: hintFor(failure) };
  }
  if (error instanceof RedisError) {
    const isAway = error.retryable || ['NOAUTH', 'WRONGPASS'].includes(error.failure.reason);
    return {
      exitCode: isAway ? exitCodes.unreachable : exitCodes.failure,
      code: error.code,
      message: error.message,
      hint: isAway ? redisHint : undefined,
    };
  }
  if (isCauceError(error)) return explainCauceError(error);
  const message = error instanceof Error ? error.message : String(error);
  return {
    exitCode: exitCodes.failure,
    code: 'FAILURE',
    message,
    hint: 'Run it again with --debug for the stack.',
  };
}

/** 4 when PostgreSQL cannot be used from here at all, 2 when a setting names no file, 1 when it refuses this work. */
export function exitCodeOf(failure: PostgresFailure): ExitCode {
  if (failure.code === 'FILE') return exitCodes.usage;
  return isUnreachable(failure) ? exitCodes.unreachable : exitCodes.failure;
}

/** What to do about PostgreSQL. */
export function hintFor(failure: PostgresFailure): string | undefined {
  return exitCodeOf(failure) === exitCodes.unreachable ? postgresHint : undefined;
}

/**
 * Takes user and password out of every URL in a text: an error may quote what it was given. The last net; what is
 * printed on purpose goes through `withoutCredentials`.
 */
export function maskCredentials(text: string): string {
  return text
    .replace(/\b([a-z][a-z0-9+.-]*:\/\/)\S*@/gi, '$1***@')
    .replace(/\b(password|pass|pwd)=[^&\s'"`]+/gi, '$1=***');
}

function explainCauceError(error: CauceError): Explanation {
  const { code, message } = error;
  const isUsage = ['INVALID_OPTION', 'INVALID_ID', 'LAYOUT_MISMATCH', 'TABLE_MISMATCH'].includes(code);
  const exitCode = isUsage
    ? exitCodes.usage
    : code === 'REDIS_UNSAFE'
      ? exitCodes.problem
      : exitCodes.failure;
  return { exitCode, code, message, hint: undefined };
}

const flags = new Map([
  ['REDIS_URL', '--redis-url'],
  ['DATABASE_URL', '--database-url'],
  ['REDIS_URL_FILE', '--redis-url-file'],
  ['DATABASE_URL_FILE', '--database-url-file'],
  ['SESSION_KEY_PREFIX', '--key-prefix'],
  ['SESSION_PARTITIONS', '--partitions'],
  ['SESSION_DB_SCHEMA', '--schema'],
  ['SESSION_DB_TABLE', '--table'],
  ['SESSION_HISTORY_DAYS', '--history-days'],
]);

function flagOf(name: string): string {
  const flag = flags.get(name);
  return flag === undefined ? '' : ` (${flag})`;
}
