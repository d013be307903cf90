export * from './admin/index.ts';
export { type Backlog, measureBacklog } from './backlog.ts';
export { ConfigurationError, consumerOptions, loadSettings, readSettings } from './config.ts';
export { HEARTBEAT_STALE_MS, type Heartbeat, readHeartbeats } from './heartbeats.ts';
export {
  type HttpServer,
  type HttpServerDeps,
  type HttpServerOptions,
  type Readiness,
  startHttpServer,
} from './http-server.ts';
export { type LauncherDeps, whenLauncherGone } from './launcher.ts';
export { createLogger, silentLogger } from './logger.ts';
export { type GroupConsumer, listConsumers } from './maintenance/forget-consumers.ts';
export { type PurgeOptions, type PurgeReport, purgeHistory } from './maintenance/purge-history.ts';
export type { RedisMeasurement } from './measure-redis.ts';
export { createSyncMetrics, type SyncMetrics, type SyncMetricsDeps } from './metrics.ts';
export { type PeriodicSync, type PeriodicSyncOptions, startPeriodicSync, syncToDB } from './periodic-sync.ts';
export { CircuitBreaker, type CircuitBreakerOptions, type CircuitState } from './postgres/circuit-breaker.ts';
export { ParkLimiter, type ParkLimiterOptions } from './postgres/park-limiter.ts';
export type { RedisMetricsDeps } from './redis-metrics.ts';
export { SyncConsumer, type SyncConsumerDeps, type SyncConsumerOptions } from './sync-consumer.ts';
export { SyncPass, type SyncPassDeps, type SyncPassOptions, type SyncPhase } from './sync-pass.ts';
export { addToReport, emptyReport, type FinalOutcome, type SyncReport } from './sync-report.ts';
