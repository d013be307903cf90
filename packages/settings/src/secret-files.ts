import type { Environment } from './parse-settings.ts';
import type { Setting, SettingProblem, SettingsTable } from './setting.ts';

/** The secret settings of a table: each may be given by a file as well, `<NAME>_FILE`. Pure. */
export function secretSettings(table: SettingsTable): string[] {
  return Object.entries<Setting>(table).flatMap(([name, { isSecret }]) => (isSecret ? [name] : []));
}

/**
 * Puts secrets where the settings look for them: what the file that `<NAME>_FILE` names holds becomes `<NAME>`. A file
 * is visible neither in the list of processes nor in the environment.
 *
 * @param readFile gives the text of a file
 */
export async function readSecretFiles(
  table: SettingsTable,
  env: Environment,
  readFile: (path: string) => Promise<string>,
): Promise<{ readonly env: Environment; readonly problems: readonly SettingProblem[] }> {
  const found: Record<string, string | undefined> = { ...env };
  const problems: SettingProblem[] = [];
  for (const secret of secretSettings(table)) {
    const name = `${secret}_FILE`;
    const path = env[name]?.trim();
    if (!path) continue;
    if (env[secret]?.trim()) {
      problems.push({ name, message: `is given together with ${secret}; give only one of them` });
      continue;
    }
    try {
      found[secret] = (await readFile(path)).trim();
      if (found[secret] === '') problems.push({ name, message: `names ${path}, which is empty` });
    } catch (error) {
      const { code = 'failed' } = error as NodeJS.ErrnoException;
      problems.push({ name, message: `names ${path}, which cannot be read: ${code}` });
    }
  }
  return { env: found, problems };
}
