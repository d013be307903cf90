import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { redisProgram } from './find-redis.ts';
import { createPrivateFolder } from './private-folder.ts';
import { isDeadly, type PrivateServer } from './private-server.ts';
import { SYSTEM_PATH, startGuard } from './process-guard.ts';
import { isRedisReady, type RedisLogin } from './redis-ready.ts';
import { lastLines } from './run-command.ts';
import { libraryEnvironment, type ServerBinaries } from './server-binaries.ts';
import { ServerError } from './server-error.ts';
import { ServerProcess } from './server-process.ts';

/** A running private Redis (or Valkey). */
export interface RedisServer extends PrivateServer {
  /** `7.0.15` and the like. */
  readonly version: string;
  readonly product: 'redis' | 'valkey';
  /** Ends it cleanly (SIGTERM, which flushes the append-only file). `restart()` may follow. */
  shutdown(): Promise<void>;
}

/** A program that runs another one: its command line comes last. */
export interface Launcher {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export interface RedisProcessOptions {
  /** The server's arguments. `folder` is there already and removed by `stop()`, whatever `dataDir` is. */
  readonly argsIn: (paths: { readonly folder: string; readonly dataDir: string }) => readonly string[];
  /** Keep the data here, also after `stop()`. Default: a temporary folder, removed by `stop()`. */
  readonly dataDir?: string;
  /** How long it may take until it answers. Default 10,000. */
  readonly startTimeoutMs?: number;
  /** Who asks whether it answers. Default: the user `default`, without a password. */
  readonly login?: RedisLogin;
  /** What the server runs under, with its process id. Default: nothing. */
  readonly under?: Launcher;
}

/** Starts one process of the Redis program, as a store or as a sentinel, with a folder and a guard of its own. */
export async function startRedisProcess(
  port: number,
  binaries: ServerBinaries,
  options: RedisProcessOptions,
): Promise<RedisServer> {
  const folder = createPrivateFolder('cauce-redis');
  const logFile = join(folder, 'server.log');
  const dataDir = options.dataDir ?? join(folder, 'data');
  const guard = startGuard({ endSignal: 'TERM', folder });
  let stopped: Promise<void> | undefined;
  const { under } = options;
  const program = redisProgram(binaries);
  const args = options.argsIn({ folder, dataDir });
  const server = new ServerProcess(
    {
      name: binaries.product === 'valkey' ? 'Valkey' : 'Redis',
      command: under?.command ?? program,
      args: under ? [...under.args, program, ...args] : args,
      env: { PATH: SYSTEM_PATH, LC_ALL: 'C', ...libraryEnvironment(binaries.libraryFolders), ...under?.env },
      cwd: folder,
      logFile,
      isReady: (pid) => isRedisReady(port, pid, options.login),
      startTimeoutMs: options.startTimeoutMs ?? 10_000,
    },
    guard,
  );
  const shutdown = (): Promise<void> => server.kill('SIGTERM');
  const stop = (): Promise<void> => {
    stopped ??= (async () => {
      try {
        // Data that is about to be removed need not be written out first.
        await server.kill(options.dataDir === undefined ? 'SIGKILL' : 'SIGTERM');
      } finally {
        await guard.finish();
      }
    })();
    return stopped;
  };
  try {
    mkdirSync(dataDir, { recursive: true });
    await server.start();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    dataDir,
    version: binaries.version,
    product: binaries.product === 'valkey' ? 'valkey' : 'redis',
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
      if (stopped) throw new ServerError('START_FAILED', 'This Redis was stopped for good.');
      await shutdown();
      await server.start();
    },
    [Symbol.asyncDispose]: stop,
  };
}
