export { asked, isUnreachable, PostgresError, type PostgresFailure } from '@cauce/postgres';
export {
  type Backlog,
  checkLayout,
  type FinalOutcome,
  type Heartbeat,
  measureBacklog,
  type PassSettings,
  type PurgeOptions,
  type PurgeReport,
  passSettingProblems,
  passSettings,
  type ResyncedSessions,
  readHeartbeats,
  type SyncReport,
} from '@cauce/sync-consumer/internal';
export type { AdminDeps, RedisDeps, SyncOptions } from './admin-deps.ts';
export { checkTable } from './check-table.ts';
export type { Difference } from './compare-rows.ts';
export { type DrainOptions, type DrainResult, drain } from './drain.ts';
export { type MigrateOptions, migrate } from './migrate.ts';
export {
  type OpenDeps,
  type PostgresPool,
  queriesOf,
  type StoreOpeners,
  storeOpeners,
  syncOptionsOf,
  withPostgres,
  withRedis,
  withStores,
} from './open-stores.ts';
export {
  type DiscardOptions,
  type DiscardResult,
  discardParked,
  type ListParkedOptions,
  listParked,
  type ParkedDetail,
  type ParkedSession,
  type ShowParkedOptions,
  showParked,
} from './parked.ts';
export { listPending, type PendingConsumer, type PendingOptions } from './pending.ts';
export { purge } from './purge.ts';
export type { Repair } from './repair-session.ts';
export { type ReplayOptions, type ReplayResult, replay } from './replay.ts';
export { type ResyncOptions, resync } from './resync.ts';
export { resyncToTable } from './resync-to-table.ts';
export {
  type RetriedSession,
  type RetryOptions,
  type RetryOutcome,
  type RetryResult,
  retryParked,
} from './retry-parked.ts';
export type { Move, MoveOutcome, Obstacle } from './rollout/move-partition.ts';
export type { Target } from './rollout/next-step.ts';
export {
  type RolloutOptions,
  type RolloutResult,
  type RolloutStatus,
  readRollout,
  setRollout,
  startRollout,
} from './rollout/rollout.ts';
export {
  type ConsumerStatus,
  type PostgresState,
  readStatus,
  type Status,
  type StatusDeps,
  type StatusOptions,
  type StatusProblem,
} from './status.ts';
export { type FoundDifference, type VerifyOptions, type VerifyResult, verify } from './verify.ts';
