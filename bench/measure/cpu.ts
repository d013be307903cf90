import { parseInfo } from '@cauce/protocol';
import type { Redis } from 'ioredis';

/** Processor time this process and Redis have used so far, µs. It says what a call costs also on a busy machine. */
export async function readCpuUs(redis: Redis): Promise<{ client: number; redis: number }> {
  const { user, system } = process.cpuUsage();
  const info = parseInfo(await redis.info('cpu'));
  const seconds = Number(info.get('used_cpu_user')) + Number(info.get('used_cpu_sys'));
  return { client: user + system, redis: seconds * 1e6 };
}
