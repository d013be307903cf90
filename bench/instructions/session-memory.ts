import { startRedis } from '@cauce/dev-services';
import { Redis } from 'ioredis';
import { runAll } from '../measure/closed-loop.ts';
import { median } from '../measure/figure.ts';
import { usedMemoryBytes } from '../measure/redis-memory.ts';
import { openFill, type Saved } from '../workload/fill.ts';
import { refOf } from '../workload/users.ts';
import { openBot } from './bot.ts';

const CONCURRENCY = 64;
const SAMPLES = 100;

export interface SessionMemory {
  /** What `MEMORY USAGE` says of one, bytes: the median. */
  readonly keyBytes: number;
  /** What `used_memory` grew by, divided by the sessions, bytes. */
  readonly usedBytes: number;
}

/** What a session takes in Redis that was saved once by the session client, and synced. */
export async function measureSessionMemory({
  stateBytes,
  sessions,
}: {
  readonly stateBytes: number;
  readonly sessions: number;
}): Promise<SessionMemory> {
  const server = await startRedis();
  const redis = new Redis(server.url);
  const bot = await openBot(server.url, { stateBytes });
  const fill = await openFill({ redisUrl: server.url });
  try {
    const atStart = await usedMemoryBytes(redis);
    const saved: Saved[] = [];
    const save = async (user: number): Promise<void> => {
      const { version } = await bot.save(user);
      saved.push({ ...fill.keyspace.locate(refOf(user)), written: version, eventIds: [] });
    };
    await runAll(save, { count: sessions, concurrency: CONCURRENCY });
    await fill.settle(saved);
    // The events are no part of a session; a consumer would have removed them.
    const partitions = Array.from({ length: fill.keyspace.partitions }, (_, partition) => partition);
    for (const partition of partitions) await redis.xtrim(fill.keyspace.changes(partition), 'MAXLEN', 0);
    const usedBytes = ((await usedMemoryBytes(redis)) - atStart) / sessions;
    const samples: number[] = [];
    for (const { key } of saved.slice(0, SAMPLES))
      samples.push((await redis.memory('USAGE', key, 'SAMPLES', 0)) ?? 0);
    return { keyBytes: median(samples), usedBytes };
  } finally {
    redis.disconnect();
    await Promise.all([bot.close(), fill.close()]);
    await server.stop();
  }
}
