import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FindPostgresOptions } from './find-postgres.ts';
import { startOnFreePort } from './free-port.ts';
import { type InstallOptions, providePostgres } from './install-servers.ts';
import { createCluster, DATABASE, isPostgresReady, postgresEnvironment, ROLE } from './postgres-cluster.ts';
import { createPrivateFolder } from './private-folder.ts';
import { isDeadly, type PrivateServer } from './private-server.ts';
import { startGuard } from './process-guard.ts';
import { lastLines } from './run-command.ts';
import type { ServerBinaries } from './server-binaries.ts';
import { ServerError } from './server-error.ts';
import { ServerProcess } from './server-process.ts';
import { type SystemUser, unprivilegedUser } from './unprivileged-user.ts';

/** How to start a private PostgreSQL. Every field may be left out. */
export interface PostgresServerOptions extends FindPostgresOptions, InstallOptions {
  /** Default: a free port of 127.0.0.1. A port that is taken is an error (`PORT_TAKEN`). */
  readonly port?: number;
  /**
   * Keep the data here, also after `stop()`. Made a cluster if it is empty. When we are root it is
   * given to the user PostgreSQL runs as. Default: a temporary folder, removed by `stop()`.
   */
  readonly dataDir?: string;
  /** Server settings by name. They win over ours; fsync is on and max_connections 100 by default. */
  readonly settings?: Readonly<Record<string, string>>;
  /** How long it may take until it accepts connections, recovery included. Default 10,000. */
  readonly startTimeoutMs?: number;
  /** The binaries to use. Default: found or provided, see `providePostgres`. */
  readonly binaries?: ServerBinaries;
}

/**
 * `fast` rolls back what is open, writes everything out and ends. `immediate` ends like a crash, only
 * tidier: the next start replays the log.
 */
export type ShutdownMode = 'fast' | 'immediate';

/** A running private PostgreSQL: role `cauce` (superuser, no password), database `cauce`. */
export interface PostgresServer extends PrivateServer {
  /** `15.8` and the like. */
  readonly version: string;
  /** Ends it; data stays and `restart()` may follow. Default `fast`. */
  shutdown(mode?: ShutdownMode): Promise<void>;
}

const SHUTDOWN_SIGNALS = { fast: 'SIGINT', immediate: 'SIGQUIT' } as const;

/**
 * Starts a private PostgreSQL and returns when it accepts connections. It ends with this process at
 * the latest, also if this process is killed. It does not keep this process alive.
 *
 * `kill('SIGKILL')` ends the postmaster only, as the kernel would, and then waits until the backends
 * have noticed; one that is busy for more than 5 s is killed too. `restart()` then recovers.
 *
 * @throws ServerError `SERVER_MISSING`, `SERVER_UNSUPPORTED`, `COMMAND_FAILED` (initdb), `PORT_TAKEN`,
 *   or `START_FAILED` with the end of its log.
 */
export async function startPostgres(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  const user = unprivilegedUser();
  const binaries = options.binaries ?? (await providePostgres(options));
  return startOnFreePort(options.port, (port) => startPostgresOn(port, binaries, user, options));
}

async function startPostgresOn(
  port: number,
  binaries: ServerBinaries,
  user: SystemUser | undefined,
  options: PostgresServerOptions,
): Promise<PostgresServer> {
  const folder = createPrivateFolder('cauce-postgres', user);
  const logFile = join(folder, 'server.log');
  const dataDir = options.dataDir ?? join(folder, 'data');
  const guard = startGuard({
    endSignal: 'QUIT',
    folder,
    // Data that stays keeps its lock file too: the next server there removes the old segment itself.
    ...(options.dataDir === undefined ? { postmasterPidFile: join(dataDir, 'postmaster.pid') } : {}),
  });
  let stopped: Promise<void> | undefined;
  const server = new ServerProcess(
    {
      name: 'PostgreSQL',
      command: join(binaries.folder, 'postgres'),
      args: postgresArgs(port, dataDir, options.settings),
      env: postgresEnvironment(binaries),
      cwd: folder,
      logFile,
      user,
      isReady: (pid) => isPostgresReady(dataDir, pid),
      startTimeoutMs: options.startTimeoutMs ?? 10_000,
    },
    guard,
  );
  const shutdown = (mode: ShutdownMode = 'fast'): Promise<void> => server.kill(SHUTDOWN_SIGNALS[mode]);
  const stop = (): Promise<void> => {
    stopped ??= (async () => {
      try {
        // Data that is about to be removed need not be written out first.
        await shutdown(options.dataDir === undefined ? 'immediate' : 'fast');
      } finally {
        await guard.finish();
      }
    })();
    return stopped;
  };
  try {
    const onRunning = (pid: number | undefined): void => {
      guard.watch(pid === undefined ? [] : [pid]);
    };
    await createCluster({ binaries, dataDir, user, onRunning });
    await server.start();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url: `postgres://${ROLE}@127.0.0.1:${port}/${DATABASE}`,
    port,
    dataDir,
    version: binaries.version,
    get pid() {
      return server.pid;
    },
    get isRunning() {
      return server.isRunning;
    },
    readLog: () => (stopped ? '' : lastLines(readFileSync(logFile, 'utf8'), 200)),
    stop,
    shutdown,
    kill: async (signal = 'SIGKILL') => {
      if (isDeadly(signal)) await server.kill(signal);
      else server.signal(signal);
    },
    pause: () => {
      server.pause();
    },
    resume: () => {
      server.resume();
    },
    restart: async () => {
      if (stopped) throw new ServerError('START_FAILED', 'This PostgreSQL was stopped for good.');
      await shutdown();
      await server.start();
    },
    [Symbol.asyncDispose]: stop,
  };
}

function postgresArgs(
  port: number,
  dataDir: string,
  settings: Readonly<Record<string, string>> = {},
): string[] {
  const all: Record<string, string> = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    // None: its path may have at most 107 bytes, and TMPDIR may be longer.
    unix_socket_directories: '',
    max_connections: '100',
    fsync: 'on',
    logging_collector: 'off',
    log_destination: 'stderr',
    // In the data folder, not in /dev/shm, where a killed server would leave files behind.
    dynamic_shared_memory_type: 'mmap',
    ...settings,
  };
  return ['-D', dataDir, ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
}
