import { asked } from '@cauce/postgres';
import { RedisError, type TableIdentity } from '@cauce/protocol';
import {
  checkLayout,
  forgetDatabase,
  type ResyncedSessions,
  resyncSessions,
} from '@cauce/sync-consumer/internal';
import type { AdminDeps } from './admin-deps.ts';
import type { ResyncOptions } from './resync.ts';

/**
 * Makes the table of `queries` the one the sessions under this prefix are synced to, and has everything Redis holds
 * synced to it. A consumer of the former table can take nothing from then on and stops by itself; what it had taken
 * may still be settled, so the consumer of this table syncs everything once more when it starts, and a minute later.
 * Safe to repeat: one that ended early has to be.
 *
 * @returns the table, and what was announced
 * @throws LayoutMismatchError, RedisError, PostgresError, AbortError
 */
export async function resyncToTable(
  deps: Pick<AdminDeps, 'redis' | 'keyspace' | 'scripts' | 'queries'>,
  { batchRows, signal }: Omit<ResyncOptions, 'sinceVersion'>,
): Promise<ResyncedSessions & { readonly table: TableIdentity }> {
  const { redis, keyspace, queries } = deps;
  await checkLayout(deps);
  const table = await asked(queries.identifyTable());
  // First: it has to be synced again as soon as one partition is this table's.
  await forgetDatabase(deps);
  for (let partition = 0; partition < keyspace.partitions; partition++) {
    await redis
      .hset(keyspace.meta(partition), 'table', table.id, 'tableName', table.name)
      .catch((error: unknown) => {
        throw RedisError.from(error, 'resync');
      });
  }
  return { table, ...(await resyncSessions(deps, { sinceVersion: '0', batchRows, signal })) };
}
