import type { Keyspace, RedisConnection, Scripts, Version } from '@cauce/protocol';
import { groupBy } from '../pipeline/group-by.ts';
import { scanSessions } from '../redis/scan-sessions.ts';

export interface ResyncDeps {
  readonly redis: RedisConnection;
  readonly keyspace: Keyspace;
  readonly scripts: Pick<Scripts, 'resync'>;
}

export interface ResyncOptions {
  /** Sessions saved before are left alone; '0': none are. */
  readonly sinceVersion: Version;
  /** Most sessions in one script call. */
  readonly batchRows: number;
  readonly signal: AbortSignal;
}

export interface ResyncedSessions {
  /** Clean sessions that are synced again. */
  readonly announced: number;
  /** On their way already. */
  readonly dirty: number;
  /** Saved before `sinceVersion`. */
  readonly older: number;
  /** The values under their keys are not sessions; they do not change. */
  readonly unreadable: number;
}

/**
 * Has every clean session in Redis synced to PostgreSQL again, because PostgreSQL may have lost what it committed.
 * Rows it still has stay as they are. Safe to repeat, and to end early. @throws RedisError, AbortError
 */
export async function resyncSessions(
  { redis, keyspace, scripts }: ResyncDeps,
  { sinceVersion, batchRows, signal }: ResyncOptions,
): Promise<ResyncedSessions> {
  const resynced = { announced: 0, dirty: 0, older: 0, gone: 0, unreadable: 0 };
  for await (const page of scanSessions({ redis, keyspace }, batchRows)) {
    signal.throwIfAborted();
    const groups = groupBy(page, ({ partition }) => partition);
    const outcomes = await Promise.all(
      [...groups].map(([partition, sessions]) =>
        scripts.resync(
          partition,
          sessions.map(({ key }) => key),
          { sinceVersion },
        ),
      ),
    );
    for (const outcome of outcomes.flat()) resynced[outcome]++;
  }
  const { gone, ...counted } = resynced;
  return counted;
}
