import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FindOptions } from './find-redis.ts';
import { redisProgram } from './find-redis.ts';
import { startOnFreePort } from './free-port.ts';
import { type InstallOptions, provideRedis } from './install-servers.ts';
import { createPrivateFolder } from './private-folder.ts';
import { isDeadly, type PrivateServer } from './private-server.ts';
import { SYSTEM_PATH, startGuard } from './process-guard.ts';
import { isRedisReady } from './redis-ready.ts';
import { lastLines } from './run-command.ts';
import { libraryEnvironment, type ServerBinaries } from './server-binaries.ts';
import { ServerError } from './server-error.ts';
import { ServerProcess } from './server-process.ts';

/** How to start a private Redis. Every field may be left out. */
export interface RedisServerOptions extends FindOptions, InstallOptions {
  /** Default: a free port of 127.0.0.1. A port that is taken is an error (`PORT_TAKEN`). */
  readonly port?: number;
  /** Keep the data here, also after `stop()`. Default: a temporary folder, removed by `stop()`. */
  readonly dataDir?: string;
  /** Append-only file, fsync every second. Default true. False: a restart loses everything. */
  readonly appendOnly?: boolean;
  /** Memory limit. Default 0: none. */
  readonly maxMemoryBytes?: number;
  /** What Redis does at the limit. Default `noeviction`: writes are refused. */
  readonly maxMemoryPolicy?: string;
  /** More arguments for the server; they win over ours. Snapshots (`--save`) are off by default. */
  readonly extraArgs?: readonly string[];
  /** How long it may take until it answers, loading its data included. Default 10,000. */
  readonly startTimeoutMs?: number;
  /** The binaries to use. Default: found or provided, see `provideRedis`. */
  readonly binaries?: ServerBinaries;
}

/** A running private Redis (or Valkey). */
export interface RedisServer extends PrivateServer {
  /** `7.0.15` and the like. */
  readonly version: string;
  readonly product: 'redis' | 'valkey';
  /** Ends it cleanly (SIGTERM, which flushes the append-only file). `restart()` may follow. */
  shutdown(): Promise<void>;
}

/**
 * Starts a private Redis and returns when it answers. It ends with this process at the latest, also
 * if this process is killed. It does not keep this process alive.
 *
 * @throws ServerError `SERVER_MISSING`, `PORT_TAKEN`, or `START_FAILED` with the end of its log.
 */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const binaries = options.binaries ?? (await provideRedis(options));
  return startOnFreePort(options.port, (port) => startRedisOn(port, binaries, options));
}

async function startRedisOn(
  port: number,
  binaries: ServerBinaries,
  options: RedisServerOptions,
): Promise<RedisServer> {
  const folder = createPrivateFolder('cauce-redis');
  const logFile = join(folder, 'server.log');
  const dataDir = options.dataDir ?? join(folder, 'data');
  const guard = startGuard({ endSignal: 'TERM', folder });
  let stopped: Promise<void> | undefined;
  const server = new ServerProcess(
    {
      name: binaries.product === 'valkey' ? 'Valkey' : 'Redis',
      command: redisProgram(binaries),
      args: redisArgs(port, dataDir, options),
      env: { PATH: SYSTEM_PATH, LC_ALL: 'C', ...libraryEnvironment(binaries.libraryFolders) },
      cwd: folder,
      logFile,
      isReady: (pid) => isRedisReady(port, pid),
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

function redisArgs(port: number, dataDir: string, options: RedisServerOptions): string[] {
  const { appendOnly = true, maxMemoryBytes = 0, maxMemoryPolicy = 'noeviction', extraArgs = [] } = options;
  const settings: Record<string, string> = {
    port: String(port),
    bind: '127.0.0.1',
    'protected-mode': 'yes',
    daemonize: 'no',
    dir: dataDir,
    save: '',
    appendonly: appendOnly ? 'yes' : 'no',
    appendfsync: 'everysec',
    maxmemory: String(maxMemoryBytes),
    'maxmemory-policy': maxMemoryPolicy,
    'enable-debug-command': 'local',
  };
  return [...Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]), ...extraArgs];
}
