import { parseInfo } from '@cauce/protocol';

/** What Redis holds, bytes: without the buffers of connections and of the append-only file, which come and go. */
export async function usedMemoryBytes(redis) {
  const info = parseInfo(await redis.info('memory'));
  const bytes = (name) => Number(info.get(name) ?? 0);
  return bytes('used_memory') - bytes('mem_clients_normal') - bytes('mem_aof_buffer');
}
