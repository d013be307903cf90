export { ConfigurationError } from '@cauce/settings';
export { whenLauncherGone } from './launcher.ts';
export { createLogger } from './logger.ts';
export { type PeriodicSync, type PeriodicSyncOptions, startPeriodicSync, syncToDB } from './periodic-sync.ts';
export {
  completeSettings,
  passSettingProblems,
  readSettings,
  type SyncSettings,
  syncSettings,
} from './settings.ts';
export type { SyncConsumer } from './sync-consumer.ts';
export type { SyncPhase } from './sync-pass.ts';
export type { SyncReport } from './sync-report.ts';
