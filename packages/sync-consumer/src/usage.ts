import { describeAllowed, type Setting } from '@cauce/settings';
import { syncSettings } from './settings.ts';

/** What `cauce-sync --help` prints: every setting it reads. Pure. */
export function usage(): string {
  const rows = Object.entries<Setting>(syncSettings).map(([name, setting]) => {
    const isOptional = setting.kind === 'text' && setting.isOptional;
    const withoutDefault = isOptional
      ? 'optional'
      : `required; or ${name}_FILE with the path of a file that contains it`;
    const fallback = setting.default === undefined ? withoutDefault : `default ${setting.default}`;
    return `  ${name}\n      ${setting.description}\n      ${describeAllowed(setting)}; ${fallback}`;
  });
  return [
    'Usage: cauce-sync [--help | --version]',
    '',
    'Syncs changed sessions from Redis to PostgreSQL until SIGTERM. Settings come from the environment:',
    '',
    ...rows,
    '',
    'Exit codes: 0 stopped; 1 failure; 2 a setting is wrong, or a store that would put sessions at risk.',
    '',
  ].join('\n');
}
