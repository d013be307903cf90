import { passSettingProblems, passSettings } from '@cauce/admin';
import { type Environment, loadSettings as load, storeSettings, type ValuesOf } from '@cauce/settings';

/** Everything that `cauce` reads. */
export const cliSettings = { ...storeSettings, ...passSettings } as const;

export type SettingName = keyof typeof cliSettings;
export type Settings = ValuesOf<typeof cliSettings>;

const program = { table: cliSettings, problemsOf: passSettingProblems };

/**
 * The settings of `cauce` from an environment; secrets also from files.
 *
 * @param readFile gives the text of a file
 * @param required settings without a default that must be there
 * @throws ConfigurationError with all problems at once
 */
export function loadSettings(
  env: Environment,
  readFile: (path: string) => Promise<string>,
  required: readonly SettingName[],
): Promise<Settings> {
  return load(program, env, readFile, required);
}
