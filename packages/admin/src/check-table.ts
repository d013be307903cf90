import { asked } from '@cauce/postgres';
import type { TableIdentity } from '@cauce/protocol';
import { checkLayout, refuseOtherTable } from '@cauce/sync-consumer/internal';
import type { AdminDeps } from './admin-deps.ts';

/**
 * Compares the layout, and the table this process is set to with the one the sessions are synced to; changes nothing.
 * Returns the table.
 *
 * @throws LayoutMismatchError, TableMismatchError, RedisError, PostgresError (also when it was never migrated)
 */
export async function checkTable(
  deps: Pick<AdminDeps, 'redis' | 'keyspace' | 'queries'>,
): Promise<TableIdentity> {
  await checkLayout(deps);
  const table = await asked(deps.queries.identifyTable());
  await refuseOtherTable(deps, table);
  return table;
}
