import {
  type Keyspace,
  type RedisConnection,
  RedisError,
  type TableIdentity,
  tableMismatch,
} from '@cauce/protocol';

/**
 * Compares the table this process is set to with the one Redis says its sessions are synced to, in any partition; changes
 * nothing. One that is not remembered yet is no other one. @throws TableMismatchError, RedisError
 */
export async function refuseOtherTable(
  { redis, keyspace }: { readonly redis: RedisConnection; readonly keyspace: Keyspace },
  found: TableIdentity,
): Promise<void> {
  const remembered = await Promise.all(
    Array.from({ length: keyspace.partitions }, (_, partition) =>
      redis.hmget(keyspace.meta(partition), 'table', 'tableName'),
    ),
  ).catch((error: unknown) => {
    throw RedisError.from(error, 'table check');
  });
  for (const [id, name] of remembered) {
    if (id && id !== found.id) {
      throw tableMismatch(keyspace.keyPrefix, { syncedTo: { id, name: name ?? '' }, found });
    }
  }
}
