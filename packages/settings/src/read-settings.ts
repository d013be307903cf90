import { ConfigurationError } from './configuration-error.ts';
import { checkSettings, type Environment, type ParsedSettings, parseSettings } from './parse-settings.ts';
import { readSecretFiles } from './secret-files.ts';
import type { SettingProblem, SettingsTable, ValuesOf } from './setting.ts';

/** What a program reads: its table, and what no single setting can say. */
export interface ProgramSettings<Table extends SettingsTable> {
  readonly table: Table;
  /** What is wrong with values that are right one by one. May read the files they name. */
  readonly problemsOf: (values: ValuesOf<Table>) => readonly SettingProblem[];
}

/**
 * A program's settings from its environment.
 *
 * @param required settings without a default that must be there
 * @throws ConfigurationError with all problems at once
 */
export function readSettings<Table extends SettingsTable, const Required extends keyof Table = never>(
  program: ProgramSettings<Table>,
  env: Environment,
  required: readonly Required[] = [],
): ValuesOf<Table, Required> {
  return accept(program, parseSettings(program.table, env, required));
}

/**
 * A program's settings from values that are parsed already; defaults are filled in.
 *
 * @throws ConfigurationError with all problems at once
 */
export function completeSettings<Table extends SettingsTable>(
  program: ProgramSettings<Table>,
  given: Partial<ValuesOf<Table>>,
): ValuesOf<Table> {
  return accept(program, checkSettings(program.table, given));
}

/**
 * {@link readSettings}, with secrets that are given by files.
 *
 * @param readFile gives the text of a file
 * @throws ConfigurationError with all problems at once
 */
export async function loadSettings<Table extends SettingsTable, const Required extends keyof Table = never>(
  program: ProgramSettings<Table>,
  env: Environment,
  readFile: (path: string) => Promise<string>,
  required: readonly Required[] = [],
): Promise<ValuesOf<Table, Required>> {
  const { env: filled, problems } = await readSecretFiles(program.table, env, readFile);
  const unread = new Set(problems.map(({ name }) => name));
  try {
    const values = readSettings(program, filled, required);
    if (problems.length === 0) return values;
    throw new ConfigurationError(problems);
  } catch (error) {
    if (!(error instanceof ConfigurationError) || error.problems === problems) throw error;
    // A secret whose file cannot be read is missing as well; that is no second problem.
    const others = error.problems.filter(({ name }) => !unread.has(`${name}_FILE`));
    throw new ConfigurationError([...problems, ...others]);
  }
}

function accept<Table extends SettingsTable, Required extends keyof Table>(
  { problemsOf }: ProgramSettings<Table>,
  parsed: ParsedSettings<Table, Required>,
): ValuesOf<Table, Required> {
  const problems = parsed.ok ? problemsOf(parsed.values) : parsed.problems;
  if (!parsed.ok || problems.length > 0) throw new ConfigurationError(problems);
  return parsed.values;
}
