import { crc32 } from 'node:zlib';

/** Named in the stored layout: data partitioned by another function is refused. */
export const PARTITION_HASH = 'crc32';

/** The partition of a session: CRC-32 of `<tenant>:<user>`, both encoded, modulo `partitions` (a power of two). */
export function partitionOf(encodedTenantId: string, encodedUserId: string, partitions: number): number {
  return crc32(`${encodedTenantId}:${encodedUserId}`) & (partitions - 1);
}
