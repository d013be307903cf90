import { PARTITION_HASH, protocolProblem, RedisError, textsOrNullIn } from '@cauce/protocol';
import { layoutMismatch } from '@cauce/sync-consumer/internal';
import type { RedisDeps } from './admin-deps.ts';

/**
 * Compares the layout this process is set to with the one in Redis, and changes nothing: with another partition
 * count every number would be of the wrong keys. Returns how many partitions are open; 0 under a prefix nobody
 * uses. @throws LayoutMismatchError, RedisError
 */
export async function checkLayout({ redis, keyspace }: RedisDeps): Promise<number> {
  const pinned = await Promise.all(
    Array.from({ length: keyspace.partitions }, async (_, partition) => {
      const fields = ['partitions', 'hash', 'protocol', 'minProtocol'];
      const reply = await redis.hmget(keyspace.meta(partition), ...fields);
      const [partitions, hash, protocol, minProtocol] = textsOrNullIn('layout check', reply, 4);
      if (partitions == null) return undefined;
      return { partitions, hash: hash ?? '', protocol: protocol ?? '', minProtocol: minProtocol ?? '' };
    }),
  ).catch((error: unknown) => {
    throw RedisError.from(error, 'layout check');
  });
  const open = pinned.filter((found) => found !== undefined);
  const other = open.find(
    (found) =>
      found.partitions !== String(keyspace.partitions) ||
      found.hash !== PARTITION_HASH ||
      protocolProblem(found) !== undefined,
  );
  if (other) throw layoutMismatch('Redis', other, keyspace);
  return open.length;
}
