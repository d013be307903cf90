import type { Version } from '@cauce/protocol';
import { checkLayout, type ResyncedSessions, resyncSessions } from '@cauce/sync-consumer/internal';
import type { AdminDeps } from './admin-deps.ts';

export interface ResyncOptions {
  /** Sessions saved before are left alone; '0': none are. */
  readonly sinceVersion: Version;
  readonly batchRows: number;
  readonly signal: AbortSignal;
}

/**
 * Has what Redis holds synced to PostgreSQL again, after PostgreSQL lost commits. Consumers sync it; `drain` waits
 * for them. @throws LayoutMismatchError, RedisError, AbortError; it can be run again at any time
 */
export async function resync(
  deps: Pick<AdminDeps, 'redis' | 'keyspace' | 'scripts'>,
  options: ResyncOptions,
): Promise<ResyncedSessions> {
  await checkLayout(deps);
  return resyncSessions(deps, options);
}
