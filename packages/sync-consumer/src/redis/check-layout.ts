import {
  type Keyspace,
  PARTITION_HASH,
  protocolProblem,
  type RedisConnection,
  RedisError,
  textsOrNullIn,
} from '@cauce/protocol';
import { layoutMismatch } from './open-partitions.ts';

/**
 * Compares the layout this process is set to with the one in Redis, and changes nothing: with another partition
 * count every number would be of the wrong keys. Returns how many partitions are open; 0 under a prefix nobody
 * uses. @throws LayoutMismatchError, RedisError
 */
export async function checkLayout({
  redis,
  keyspace,
}: {
  readonly redis: RedisConnection;
  readonly keyspace: Keyspace;
}): Promise<number> {
  const pinned = await Promise.all(
    Array.from({ length: keyspace.partitions }, async (_, partition) => {
      const fields = ['partitions', 'hash', 'protocol', 'minProtocol'];
      const reply = await redis.hmget(keyspace.meta(partition), ...fields);
      const found = textsOrNullIn('layout check', reply, 4);
      if (found.every((text) => text === null)) return undefined;
      const [partitions = '', hash = '', protocol = '', minProtocol = ''] = found.map((text) => text ?? '');
      return { partitions, hash, protocol, minProtocol };
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
