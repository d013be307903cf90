/** Real, private Redis and PostgreSQL servers, and ways to break them, for demo, tests and bench. */
export { currentEnvironment, type Environment } from './environment.ts';
export { type FindPostgresOptions, findPostgres } from './find-postgres.ts';
export { type FindOptions, type FindResult, findRedis } from './find-redis.ts';
export { findFreePort } from './free-port.ts';
export { type InstallOptions, providePostgres, provideRedis } from './install-servers.ts';
export {
  type PostgresServer,
  type PostgresServerOptions,
  type ShutdownMode,
  startPostgres,
} from './postgres-server.ts';
export type { PrivateServer } from './private-server.ts';
export {
  type MovedSlot,
  type MoveSlotOptions,
  type RedisCluster,
  type RedisClusterOptions,
  startRedisCluster,
} from './redis-cluster.ts';
export type { Launcher, RedisServer } from './redis-process.ts';
export { type RedisServerOptions, startRedis } from './redis-server.ts';
export { type SentinelGroup, type SentinelGroupOptions, startSentinelGroup } from './sentinel-group.ts';
export { defaultCacheFolder, type ServerBinaries } from './server-binaries.ts';
export { ServerError, type ServerErrorCode } from './server-error.ts';
export {
  type ExternalService,
  type PrivateService,
  type Services,
  type ServicesOptions,
  startServices,
} from './services.ts';
export {
  type ExitStatus,
  type SpawnedProcess,
  type SpawnOptions,
  spawnNode,
  spawnProcess,
} from './spawn-process.ts';
export { startTcpProxy, type TcpProxy, type TcpProxyOptions } from './tcp-proxy.ts';
export { callgrind, provideValgrind, tellCallgrind, type Valgrind } from './valgrind.ts';
