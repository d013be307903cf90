import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isReachable } from './private-folder.ts';
import { SYSTEM_PATH } from './process-guard.ts';
import { runCommand } from './run-command.ts';
import { libraryEnvironment, type ServerBinaries } from './server-binaries.ts';
import { messageOf, ServerError } from './server-error.ts';
import type { SystemUser } from './unprivileged-user.ts';

/** Superuser and database of every private PostgreSQL. There is no password. */
export const ROLE = 'cauce';
export const DATABASE = 'cauce';

export interface ClusterContext {
  readonly binaries: ServerBinaries;
  readonly dataDir: string;
  /** Who owns the data and runs the server; undefined: ourselves. */
  readonly user: SystemUser | undefined;
  readonly onRunning: (pid: number | undefined) => void;
}

/** The environment of every PostgreSQL program: no PG… variable of the caller reaches them. */
export function postgresEnvironment(binaries: ServerBinaries): Record<string, string> {
  return { PATH: SYSTEM_PATH, LC_ALL: 'C', ...libraryEnvironment(binaries.libraryFolders) };
}

/**
 * Makes `dataDir` a database cluster with our role and database, unless it is one already. Nothing
 * is synced to disk here: what matters is only written later, by a server with fsync on.
 */
export async function createCluster(context: ClusterContext): Promise<void> {
  const { dataDir, user } = context;
  if (existsSync(join(dataDir, 'PG_VERSION'))) return;
  mkdirSync(dataDir, { recursive: true });
  chmodSync(dataDir, 0o700);
  if (user) {
    chownSync(dataDir, user.uid, user.gid);
    // Its own parent is ours alone; a folder chosen by the caller may lie anywhere.
    if (!isReachable(dirname(dataDir)) && !isOwnedBy(dirname(dataDir), user)) {
      throw new ServerError(
        'SERVER_UNSUPPORTED',
        `PostgreSQL runs as the user ${user.name}, who cannot enter ${dirname(dataDir)}. ` +
          'Choose a data folder below one that every user may enter.',
      );
    }
  }
  try {
    await initialise(context, 'C.UTF-8');
  } catch (error) {
    if (!/invalid locale/.test(messageOf(error))) throw error;
    // initdb left the folder as empty as it found it.
    await initialise(context, 'C');
  }
  await createDatabase(context);
}

async function initialise(context: ClusterContext, locale: string): Promise<void> {
  const flags = ['--auth=trust', '--no-sync', '--no-instructions', '--encoding=UTF8'];
  await run(context, 'initdb', [
    ...flags,
    `--username=${ROLE}`,
    `--locale=${locale}`,
    `--pgdata=${context.dataDir}`,
  ]);
}

/** In single-user mode: it needs no running server and no client. */
async function createDatabase(context: ClusterContext): Promise<void> {
  const settings = ['-c', 'fsync=off', '-c', 'exit_on_error=on', '-c', 'log_checkpoints=off'];
  const args = ['--single', '-D', context.dataDir, ...settings, 'postgres'];
  const output = await run(context, 'postgres', args, `CREATE DATABASE ${DATABASE};\n`);
  if (/\b(ERROR|FATAL|PANIC):/.test(output)) {
    throw new ServerError('START_FAILED', `The database could not be created:\n${output}`);
  }
}

function run(context: ClusterContext, program: string, args: readonly string[], input = ''): Promise<string> {
  const { binaries, dataDir, user, onRunning } = context;
  return runCommand(join(binaries.folder, program), args, {
    env: postgresEnvironment(binaries),
    cwd: dataDir,
    user,
    input,
    onRunning,
    timeoutMs: 60_000,
  });
}

function isOwnedBy(folder: string, user: SystemUser): boolean {
  return existsSync(folder) && isReachable(dirname(folder)) && statSync(folder).uid === user.uid;
}

/**
 * True once the postmaster `pid` accepts connections: it says so itself in the eighth line of its
 * lock file, which is also what pg_ctl waits for.
 */
export function isPostgresReady(dataDir: string, pid: number): boolean {
  let lines: string[];
  try {
    lines = readFileSync(join(dataDir, 'postmaster.pid'), 'utf8').split('\n');
  } catch (error) {
    // A starting postmaster also removes the file a killed one left behind.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
  return Number(lines[0]) === pid && lines[7]?.trim() === 'ready';
}
