/**
 * What `@cauce/admin` is made of beside the pipeline. For packages of Cauce alone: any release may change it.
 */
export type { Logger } from 'pino';
export { type Backlog, measureBacklog } from './backlog.ts';
export { passOptions } from './config.ts';
export { HEARTBEAT_STALE_MS, type Heartbeat, readBoard, readHeartbeats } from './heartbeats.ts';
export { silentLogger } from './logger.ts';
export { listConsumers } from './maintenance/forget-consumers.ts';
export { type PurgeOptions, type PurgeReport, purgeHistory } from './maintenance/purge-history.ts';
export { type ResyncedSessions, resyncSessions } from './maintenance/resync-sessions.ts';
export { sweepDirty } from './maintenance/sweep-dirty.ts';
export { forgetDatabase } from './maintenance/watch-database.ts';
export type { PartitionEntries } from './pipeline/read-batch.ts';
export { MAX_BATCH_BYTES } from './pipeline/take-states.ts';
export { checkDatabase } from './postgres/check-database.ts';
export type { CircuitState } from './postgres/circuit-breaker.ts';
export { type AskDeps, skipNone } from './redis/ask-partitions.ts';
export { checkLayout } from './redis/check-layout.ts';
export { openPartitions, pinLayout } from './redis/open-partitions.ts';
export { refuseOtherTable } from './redis/refuse-other-table.ts';
export { findReplayProblem } from './redis/replay-rights.ts';
export { scanSessions } from './redis/scan-sessions.ts';
export { type PassSettings, passSettingProblems, passSettings } from './settings.ts';
export type { SyncConsumerOptions } from './sync-consumer.ts';
export type { SyncPass, SyncPhase } from './sync-pass.ts';
export { addToReport, emptyReport, type FinalOutcome, type SyncReport } from './sync-report.ts';
export { wirePass } from './wire-pass.ts';
