import { PARTITION_HASH, PROTOCOL_VERSION, RedisError, textsOrNullIn } from '@cauce/protocol';
import { layoutMismatch } from '@cauce/sync-consumer/internal';
import type { RedisDeps } from './admin-deps.ts';

/**
 * Compares the layout this process is set to with the one in Redis, and changes nothing: with another partition
 * count every number would be of the wrong keys. Returns how many partitions are open; 0 under a prefix nobody
 * uses. @throws LayoutMismatchError, RedisError
 */
export async function checkLayout({ redis, keyspace }: RedisDeps): Promise<number> {
  const ours = [String(keyspace.partitions), PARTITION_HASH, String(PROTOCOL_VERSION)];
  const pinned = await Promise.all(
    Array.from({ length: keyspace.partitions }, async (_, partition) => {
      const reply = await redis.hmget(keyspace.meta(partition), 'partitions', 'hash', 'protocol');
      return textsOrNullIn('layout check', reply, 3);
    }),
  ).catch((error: unknown) => {
    throw RedisError.from(error, 'layout check');
  });
  const open = pinned.filter(([partitions]) => partitions !== null);
  const other = open.find((found) => found.some((field, i) => field !== ours[i]));
  if (other) {
    const [partitions, hash, protocol] = other;
    throw layoutMismatch(
      'Redis',
      { partitions: partitions ?? '', hash: hash ?? '', protocol: protocol ?? '' },
      keyspace,
    );
  }
  return open.length;
}
