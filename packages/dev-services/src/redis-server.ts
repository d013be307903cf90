import type { FindOptions } from './find-redis.ts';
import { startOnFreePort } from './free-port.ts';
import { type InstallOptions, provideRedis } from './install-servers.ts';
import { type Launcher, type RedisServer, startRedisProcess } from './redis-process.ts';
import type { RedisLogin } from './redis-ready.ts';
import type { ServerBinaries } from './server-binaries.ts';

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
  /** What Redis does at the limit. Default `volatile-lru`: keys with a TTL go. */
  readonly maxMemoryPolicy?: string;
  /** More arguments for the server; they win over ours. Snapshots (`--save`) are off by default. */
  readonly extraArgs?: readonly string[];
  /**
   * Who asks whether it answers, where an access control list lets nobody else in: may AUTH, PING and INFO. Default:
   * the user `default`, without a password.
   */
  readonly login?: RedisLogin;
  /** What the server runs under, with its process id. Default: nothing. */
  readonly under?: Launcher;
  /** How long it may take until it answers, loading its data included. Default 10,000. */
  readonly startTimeoutMs?: number;
  /** The binaries to use. Default: found or provided, see `provideRedis`. */
  readonly binaries?: ServerBinaries;
}

/**
 * Starts a private Redis and returns when it answers. It ends with this process at the latest, also
 * if this process is killed. It does not keep this process alive.
 *
 * @throws ServerError `SERVER_MISSING`, `PORT_TAKEN`, or `START_FAILED` with the end of its log.
 */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const binaries = options.binaries ?? (await provideRedis(options));
  return startOnFreePort(options.port, (port) =>
    startRedisProcess(port, binaries, {
      ...options,
      argsIn: ({ dataDir }) => redisArgs(port, dataDir, options),
    }),
  );
}

function redisArgs(port: number, dataDir: string, options: RedisServerOptions): string[] {
  const { appendOnly = true, maxMemoryBytes = 0, maxMemoryPolicy = 'volatile-lru', extraArgs = [] } = options;
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
