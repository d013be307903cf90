import { createKeyspace, createScripts, openRedis } from '@cauce/protocol';
import { pollUntil } from '../measure/poll-until.ts';

const TIMEOUT_MS = 60_000;
/** As far ahead of the clock as saves put the floor. */
const RESERVE_US = 1_000_000;

/**
 * Opens every partition and waits until its version floor is where saves put it. A new server puts it eleven seconds
 * ahead of the clock; until then every save counts from it and writes it, which is not the usual load.
 */
export async function untilFloorsPass(redisUrl: string): Promise<void> {
  const connection = openRedis(redisUrl, {
    connectionName: 'bench-floors',
    answerTimeoutMs: TIMEOUT_MS,
    onError: () => {},
  });
  try {
    await connection.ready(TIMEOUT_MS);
    const { redis } = connection;
    const keyspace = createKeyspace();
    const scripts = createScripts({ redis, keyspace }, { timeoutMs: TIMEOUT_MS });
    const partitions = Array.from({ length: keyspace.partitions }, (_, partition) => partition);
    for (const partition of partitions) {
      await scripts.openPartition(partition, { floor: '0', createGroup: false });
    }
    await pollUntil(async () => {
      const floors = await Promise.all(partitions.map((p) => redis.hget(keyspace.meta(p), 'floor')));
      const [seconds = 0, us = 0] = (await redis.time()).map(Number);
      return floors.every((floor) => Number(floor ?? 0) <= seconds * 1e6 + us + RESERVE_US);
    }, TIMEOUT_MS);
  } finally {
    await connection.close();
  }
}
