import { parseInfo } from '@cauce/protocol';
import type { Redis } from 'ioredis';

/** What Redis holds, bytes: without the buffers of connections and of the append-only file, which come and go. */
export async function usedMemoryBytes(redis: Redis): Promise<number> {
  const info = parseInfo(await redis.info('memory'));
  const bytes = (name: string) => Number(info.get(name) ?? 0);
  return bytes('used_memory') - bytes('mem_clients_normal') - bytes('mem_aof_buffer');
}
