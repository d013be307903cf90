import { accessSync, constants, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Environment } from './environment.ts';

/** Programs of one installed server. */
export interface ServerBinaries {
  /** `redis`, `valkey` or `postgres`. */
  readonly product: 'redis' | 'valkey' | 'postgres';
  /** As the program states it, e.g. `7.0.15` or `18.4`. */
  readonly version: string;
  /** The folder the programs are in. */
  readonly folder: string;
  /** Where their shared libraries are, when they are not where the system looks. */
  readonly libraryFolders: readonly string[];
}

/** The first executable file of that name in the folders of PATH. */
export function findOnPath(name: string, env: Environment): string | undefined {
  return (env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, name))
    .find(isExecutable);
}

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false; // absent or not ours to run: either way it cannot be used
  }
}

/** Compares `7.0.15` with `7.2` number by number. */
export function isAtLeast(version: string, minimum: string): boolean {
  const have = version.split('.').map(Number);
  const want = minimum.split('.').map(Number);
  for (const [index, wanted] of want.entries()) {
    const had = have[index] ?? 0;
    if (had !== wanted) return had > wanted;
  }
  return true;
}

/**
 * Where servers are installed that the system lacks: `$XDG_CACHE_HOME/cauce/servers`, by default
 * `~/.cache/cauce/servers`. For root it is `/var/cache/cauce/servers`, because PostgreSQL then runs
 * as another user, who may not enter root's home.
 */
export function defaultCacheFolder(env: Environment): string {
  if (process.getuid?.() === 0) return '/var/cache/cauce/servers';
  return join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache'), 'cauce', 'servers');
}

/** The variable that makes the system's loader look into those folders too. */
export function libraryEnvironment(folders: readonly string[]): Record<string, string> {
  if (folders.length === 0) return {};
  const name = process.platform === 'darwin' ? 'DYLD_LIBRARY_PATH' : 'LD_LIBRARY_PATH';
  return { [name]: folders.join(delimiter) };
}
