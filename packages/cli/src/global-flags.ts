import { Option } from 'commander';
import type { CliContext } from './context.ts';
import { loadSettings, type SettingName, type Settings } from './settings.ts';

/** Flags every command has. */
export interface GlobalFlags {
  readonly redisUrl?: string;
  readonly databaseUrl?: string;
  readonly redisUrlFile?: string;
  readonly databaseUrlFile?: string;
  readonly keyPrefix?: string;
  readonly partitions?: string;
  readonly schema?: string;
  readonly table?: string;
  readonly json?: boolean;
  readonly color?: boolean;
  readonly quiet?: boolean;
  readonly debug?: boolean;
  /** Only of `purge`; here because it is the flag of a setting. */
  readonly historyDays?: string;
}

export function globalOptions(): Option[] {
  return [
    new Option('--redis-url <url>', 'prefer REDIS_URL: a flag is visible in the list of processes'),
    new Option('--database-url <url>', 'prefer DATABASE_URL: a flag is visible in the list of processes'),
    new Option('--redis-url-file <path>', 'file with the Redis URL'),
    new Option('--database-url-file <path>', 'file with the PostgreSQL URL'),
    new Option('--key-prefix <prefix>', 'SESSION_KEY_PREFIX'),
    new Option('--partitions <count>', 'SESSION_PARTITIONS'),
    new Option('--schema <name>', 'SESSION_DB_SCHEMA'),
    new Option('--table <name>', 'SESSION_DB_TABLE'),
    new Option('--json', 'print one JSON object with "v": 1 on stdout'),
    new Option('--no-color', 'no colors; NO_COLOR works too'),
    new Option('-q, --quiet', 'print only data and errors, no messages and no progress'),
    new Option('--debug', 'show the stack of an error'),
  ];
}

/**
 * Flag, then environment, then default; secrets also from files.
 *
 * @throws ConfigurationError with all problems at once
 */
export async function settingsFrom(
  { env, readFile }: Pick<CliContext, 'env' | 'readFile'>,
  flags: GlobalFlags,
  required: readonly SettingName[],
): Promise<Settings> {
  const secrets = [
    { name: 'REDIS_URL', text: flags.redisUrl, file: flags.redisUrlFile },
    { name: 'DATABASE_URL', text: flags.databaseUrl, file: flags.databaseUrlFile },
  ].flatMap(({ name, text, file }) =>
    // A flag replaces both ways in which the environment may give it.
    text === undefined && file === undefined ? [] : [[name, text] as const, [`${name}_FILE`, file] as const],
  );
  const given: Partial<Record<SettingName, string | undefined>> = {
    SESSION_KEY_PREFIX: flags.keyPrefix,
    SESSION_PARTITIONS: flags.partitions,
    SESSION_DB_SCHEMA: flags.schema,
    SESSION_DB_TABLE: flags.table,
    SESSION_HISTORY_DAYS: flags.historyDays,
  };
  const overrides = Object.entries(given).filter(([, value]) => value !== undefined);
  return loadSettings({ ...env, ...Object.fromEntries([...secrets, ...overrides]) }, readFile, required);
}
