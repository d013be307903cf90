import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { currentEnvironment, type Environment } from './environment.ts';
import { installOnce } from './install-once.ts';
import { lastLines, runCommand } from './run-command.ts';
import { findOnPath } from './server-binaries.ts';
import { messageOf, ServerError } from './server-error.ts';

export interface DebianInstallOptions {
  readonly env?: Environment;
  /** The list of packages the system has. Default `/var/lib/dpkg/status`. */
  readonly dpkgStatusFile?: string;
}

/**
 * Unpacks packages of the distribution (Debian, Ubuntu and the like), with what they need and the
 * system lacks, into `folder`. It needs no root and installs nothing: package lists and downloads
 * are kept apart from the system's, no maintainer script runs, no daemon is started.
 *
 * @throws ServerError `COMMAND_FAILED` without apt-get, without network, or without such packages.
 */
export async function unpackDebianPackages(
  packages: readonly string[],
  folder: string,
  options: DebianInstallOptions = {},
): Promise<void> {
  const { env = currentEnvironment(), dpkgStatusFile = '/var/lib/dpkg/status' } = options;
  const aptGet = findOnPath('apt-get', env);
  const dpkgDeb = findOnPath('dpkg-deb', env);
  if (!aptGet || !dpkgDeb) {
    throw new ServerError('COMMAND_FAILED', 'this is no Debian or Ubuntu (no apt-get, no dpkg-deb)');
  }
  await installOnce(folder, async (partial) => {
    const apt = join(partial, 'apt');
    const archives = join(apt, 'cache/archives');
    mkdirSync(join(apt, 'state/lists/partial'), { recursive: true });
    mkdirSync(join(archives, 'partial'), { recursive: true });
    const settings = [
      `Dir::State=${apt}/state`,
      `Dir::State::status=${dpkgStatusFile}`,
      `Dir::Cache=${apt}/cache`,
      'Debug::NoLocking=1',
      // Root would download as the user _apt, who may not enter this folder.
      'APT::Sandbox::User=root',
    ].flatMap((setting) => ['-o', setting]);
    const commandOptions = { env: { ...env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' } };
    const updated = await runCommand(aptGet, [...settings, '-qq', 'update'], commandOptions);
    const install = ['-qq', '-y', '--no-install-recommends', '--download-only', '--reinstall'];
    await runCommand(aptGet, [...settings, ...install, 'install', ...packages], commandOptions).catch(
      (error: unknown) => {
        // `update` warns of lists it could not fetch and exits 0; `install` then knows only that there is no such
        // package.
        throw new ServerError('COMMAND_FAILED', [messageOf(error), ...warningsIn(updated)].join('\n'));
      },
    );
    for (const name of readdirSync(archives).filter((entry) => entry.endsWith('.deb'))) {
      await runCommand(dpkgDeb, ['--extract', join(archives, name), partial], commandOptions);
    }
    rmSync(apt, { recursive: true });
  });
}

function warningsIn(output: string): string[] {
  const warnings = output.split('\n').filter((line) => /^[WE]: /.test(line));
  return warnings.length === 0 ? [] : ['apt-get update said before that:', lastLines(warnings.join('\n'), 5)];
}

/** The folders with shared libraries below the root of unpacked packages. */
export function debianLibraryFolders(root: string): string[] {
  return ['usr/lib', 'lib'].flatMap((place) => {
    const parent = join(root, place);
    if (!existsSync(parent)) return [];
    return readdirSync(parent)
      .filter((name) => /-linux-gnu/.test(name))
      .map((name) => join(parent, name));
  });
}
