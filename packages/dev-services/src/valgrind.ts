import { join } from 'node:path';
import { currentEnvironment } from './environment.ts';
import { unpackDebianPackages } from './install-debian-packages.ts';
import type { InstallOptions } from './install-servers.ts';
import type { Launcher } from './redis-process.ts';
import { runCommand } from './run-command.ts';
import { defaultCacheFolder, findOnPath, isExecutable } from './server-binaries.ts';
import { messageOf, ServerError } from './server-error.ts';

/** Programs of valgrind, and what they need in their environment. */
export interface Valgrind {
  readonly command: string;
  /** Talks to a process that runs under valgrind. */
  readonly vgdb: string;
  readonly env: Readonly<Record<string, string>>;
}

const CACHE_NAME = 'debian-valgrind';

/**
 * Valgrind: that of the machine, else the distribution's package, unpacked in the cache folder.
 *
 * @throws ServerError `SERVER_MISSING`: why it could not be unpacked, and what a person can do.
 */
export async function provideValgrind(
  options: InstallOptions & { readonly cacheFolder?: string } = {},
): Promise<Valgrind> {
  const { env = currentEnvironment(), onNotice, mayInstall = true } = options;
  const { cacheFolder = defaultCacheFolder(env) } = options;
  const command = findOnPath('valgrind', env);
  const vgdb = findOnPath('vgdb', env);
  if (command !== undefined && vgdb !== undefined) return { command, vgdb, env: {} };
  const root = join(cacheFolder, CACHE_NAME);
  const unpacked: Valgrind = {
    command: join(root, 'usr/bin/valgrind'),
    vgdb: join(root, 'usr/bin/vgdb'),
    env: { VALGRIND_LIB: join(root, 'usr/libexec/valgrind') },
  };
  if (isExecutable(unpacked.command)) return unpacked;
  let reason = 'it may not be downloaded';
  if (mayInstall) {
    onNotice?.(`No valgrind on this machine: unpacking it into ${cacheFolder}.`);
    try {
      await unpackDebianPackages(['valgrind'], root, { ...options, env });
      if (isExecutable(unpacked.command)) return unpacked;
      reason = 'the package valgrind does not contain it';
    } catch (error) {
      reason = messageOf(error);
    }
  }
  throw new ServerError(
    'SERVER_MISSING',
    `There is no valgrind on this machine, and it could not be unpacked: ${reason}\n` +
      "Install it with the system's package manager, so that valgrind and vgdb are on PATH.",
  );
}

/** For `under` of `startRedis`: counts the instructions of the process, and writes counts to `outFile`.1, .2 … */
export function callgrind({ command, env }: Valgrind, outFile: string): Launcher {
  return { command, args: ['--tool=callgrind', `--callgrind-out-file=${outFile}`], env };
}

/**
 * Tells callgrind in the process `pid` to set its counts to zero, or to write them (and set them to zero).
 *
 * @throws ServerError `COMMAND_FAILED`
 */
export async function tellCallgrind(
  { vgdb, env }: Valgrind,
  pid: number,
  what: 'zero' | 'dump',
): Promise<void> {
  // Not by ptrace, which a container may forbid: Redis looks for it whenever it wakes.
  const args = [`--pid=${pid}`, '--max-invoke-ms=0', what];
  await runCommand(vgdb, args, { env: { ...currentEnvironment(), ...env } });
}
