import { dirname, join } from 'node:path';
import { currentEnvironment, type Environment } from './environment.ts';
import { debianLibraryFolders } from './install-debian-packages.ts';
import { runCommand } from './run-command.ts';
import {
  defaultCacheFolder,
  findOnPath,
  isAtLeast,
  isExecutable,
  libraryEnvironment,
  type ServerBinaries,
} from './server-binaries.ts';

/** Where and what to look for. */
export interface FindOptions {
  /** Its PATH, HOME and XDG_CACHE_HOME are used. Default: the environment of this process. */
  readonly env?: Environment;
  /** Where `installRedis` and `installPostgres` put servers. Default: see `defaultCacheFolder`. */
  readonly cacheFolder?: string;
}

/** A server that can be used, and why others were passed over. */
export interface FindResult {
  readonly binaries: ServerBinaries | undefined;
  /** One line for each server that is there but does not fit, or for each place that is empty. */
  readonly passedOver: readonly string[];
}

/** The oldest versions with everything the scripts need. */
const MINIMUM = { redis: '7.0', valkey: '7.2' } as const;

/** Folder below the cache folder for the distribution's packages of Redis or Valkey. */
export const REDIS_CACHE_NAMES: readonly string[] = ['debian-redis-server', 'debian-valkey-server'];

/**
 * Looks for `redis-server` (7.0 or newer) and `valkey-server` (7.2 or newer): first on PATH, then
 * among the servers installed earlier by `installRedis`. Changes nothing on the machine.
 */
export async function findRedis(options: FindOptions = {}): Promise<FindResult> {
  const { env = currentEnvironment(), cacheFolder = defaultCacheFolder(env) } = options;
  const passedOver: string[] = [];
  for (const name of ['redis-server', 'valkey-server']) {
    const path = findOnPath(name, env);
    if (path === undefined) {
      passedOver.push(`no ${name} on PATH`);
      continue;
    }
    const found = await inspectRedis(path, []);
    if (typeof found !== 'string') return { binaries: found, passedOver };
    passedOver.push(found);
  }
  for (const cacheName of REDIS_CACHE_NAMES) {
    const found = await findRedisIn(join(cacheFolder, cacheName));
    if (found && typeof found !== 'string') return { binaries: found, passedOver };
    if (found) passedOver.push(found);
  }
  return { binaries: undefined, passedOver };
}

/** The server in an unpacked distribution package, why it does not fit, or undefined if none. */
export async function findRedisIn(root: string): Promise<ServerBinaries | string | undefined> {
  const path = ['redis-server', 'valkey-server']
    .map((name) => join(root, 'usr/bin', name))
    .find(isExecutable);
  return path === undefined ? undefined : inspectRedis(path, debianLibraryFolders(root));
}

async function inspectRedis(
  path: string,
  libraryFolders: readonly string[],
): Promise<ServerBinaries | string> {
  const banner = await runCommand(path, ['--version'], {
    env: libraryEnvironment(libraryFolders),
    timeoutMs: 10_000,
  }).catch((error: unknown) => String(error));
  // `redis-server` is a link to Valkey on some systems: what it says counts, not its name.
  const [, name, version] = /(Redis|Valkey) server v=([\d.]+)/i.exec(banner) ?? [];
  if (!name || !version) return `${path} does not state a version: ${banner.trim()}`;
  const product = name.toLowerCase() === 'valkey' ? 'valkey' : 'redis';
  if (!isAtLeast(version, MINIMUM[product])) {
    return `${path} is ${name} ${version}, older than ${MINIMUM[product]}`;
  }
  return { product, version, folder: dirname(path), libraryFolders };
}

/** The program to start. */
export function redisProgram(binaries: ServerBinaries): string {
  const names = binaries.product === 'valkey' ? ['valkey-server', 'redis-server'] : ['redis-server'];
  const paths = names.map((name) => join(binaries.folder, name));
  return paths.find(isExecutable) ?? join(binaries.folder, 'redis-server');
}
