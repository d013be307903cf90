import { currentEnvironment, type Environment } from './environment.ts';
import { type PostgresServer, type PostgresServerOptions, startPostgres } from './postgres-server.ts';
import type { RedisServer } from './redis-process.ts';
import { type RedisServerOptions, startRedis } from './redis-server.ts';

/** A server that is already running. It is used, never started, stopped or cleaned. */
export interface ExternalService {
  readonly kind: 'external';
  readonly url: string;
}

/** A server of ours. */
export interface PrivateService<Server> {
  readonly kind: 'private';
  readonly url: string;
  readonly server: Server;
}

export interface ServicesOptions {
  /** REDIS_URL and DATABASE_URL are read from it. Default: the environment of this process. */
  readonly env?: Environment;
  /** For a private Redis. */
  readonly redis?: RedisServerOptions;
  /** For a private PostgreSQL. */
  readonly postgres?: PostgresServerOptions;
  /** Called with one sentence about what takes long (a download). Default: nothing is called. */
  readonly onNotice?: (notice: string) => void;
}

/** One Redis and one PostgreSQL. */
export interface Services extends AsyncDisposable {
  readonly redis: ExternalService | PrivateService<RedisServer>;
  readonly postgres: ExternalService | PrivateService<PostgresServer>;
  /** Ends the private ones and removes their files. External ones are left alone. */
  stop(): Promise<void>;
}

/**
 * Provides both servers: those of REDIS_URL and DATABASE_URL where set (and not empty), private ones
 * otherwise. External servers are not contacted here.
 *
 * @throws ServerError as `startRedis` and `startPostgres` do. The other server is stopped then.
 */
export async function startServices(options: ServicesOptions = {}): Promise<Services> {
  const { env = currentEnvironment(), onNotice } = options;
  const common = { env, ...(onNotice === undefined ? {} : { onNotice }) };
  const [redis, postgres] = await Promise.allSettled([
    provide(env.REDIS_URL, () => startRedis({ ...common, ...options.redis })),
    provide(env.DATABASE_URL, () => startPostgres({ ...common, ...options.postgres })),
  ]);
  if (redis.status === 'rejected' || postgres.status === 'rejected') {
    const failures: unknown[] = [];
    for (const result of [redis, postgres]) {
      if (result.status === 'rejected') failures.push(result.reason);
      else await stopIfPrivate(result.value);
    }
    throw failures.length === 1 ? failures[0] : new AggregateError(failures, failures.map(String).join('\n'));
  }
  const stop = async (): Promise<void> => {
    await Promise.all([stopIfPrivate(redis.value), stopIfPrivate(postgres.value)]);
  };
  return { redis: redis.value, postgres: postgres.value, stop, [Symbol.asyncDispose]: stop };
}

async function provide<Server extends { readonly url: string }>(
  url: string | undefined,
  start: () => Promise<Server>,
): Promise<ExternalService | PrivateService<Server>> {
  if (url) return { kind: 'external', url };
  const server = await start();
  return { kind: 'private', url: server.url, server };
}

async function stopIfPrivate(
  service: ExternalService | PrivateService<{ stop(): Promise<void> }>,
): Promise<void> {
  if (service.kind === 'private') await service.server.stop();
}
