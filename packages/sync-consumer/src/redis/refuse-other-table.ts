import {
  type Keyspace,
  type RedisConnection,
  type TableIdentity,
  tableMismatch,
  textsOrNullIn,
} from '@cauce/protocol';
import { askAllPartitions, skipNone } from './ask-partitions.ts';

/**
 * Compares the table this process is set to with the one Redis says its sessions are synced to, in any partition;
 * changes nothing. If no table is remembered yet, none is refused. @throws TableMismatchError, RedisError
 */
export async function refuseOtherTable(
  { redis, keyspace }: { readonly redis: RedisConnection; readonly keyspace: Keyspace },
  found: TableIdentity,
): Promise<void> {
  const asked = { redis, keyspace, onSkipped: skipNone };
  await askAllPartitions(asked, 'table check', async ({ partition }) => {
    const reply = await redis.hmget(keyspace.meta(partition), 'table', 'tableName');
    const [id, name] = textsOrNullIn('table check', reply, 2);
    if (!id || id === found.id) return;
    throw tableMismatch(keyspace.keyPrefix, { syncedTo: { id, name: name ?? '' }, found });
  });
}
