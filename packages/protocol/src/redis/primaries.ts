import type { Redis } from 'ioredis';
import { RedisError, withDeadline } from './failure.ts';
import { assessRedis, type RedisHealth } from './health.ts';
import { isCluster, type RedisConnection } from './redis-connection.ts';
import { listIn, textIn, understood } from './replies.ts';

/**
 * The servers that hold the keys: the one, or every primary of a cluster.
 * @throws RedisError while a cluster knows of no primary
 */
export function primaries(redis: RedisConnection): Redis[] {
  if (!isCluster(redis)) return [redis];
  const nodes = redis.nodes('master');
  if (nodes.length > 0) return nodes;
  throw new RedisError('The Redis cluster cannot be reached.', {
    effect: 'refused',
    retryable: true,
    reason: 'NOT_CONNECTED',
  });
}

/**
 * What each server that holds keys tells of itself: one unsafe primary is enough to lose sessions. Of a cluster, each
 * fault and warning begins with the address of its server.
 *
 * @throws RedisError when one of them does not answer in time
 */
export async function assessPrimaries(
  redis: RedisConnection,
  { timeoutMs }: { readonly timeoutMs: number },
): Promise<RedisHealth[]> {
  try {
    const assessed = await withDeadline(
      Promise.all(
        primaries(redis).map(async (server) => ({
          server,
          health: assessRedis(textIn('info', await server.info())),
        })),
      ),
      timeoutMs,
    );
    if (!isCluster(redis)) return assessed.map(({ health }) => health);
    return (
      assessed
        // Until the client learns of a failover: its slots are served by another, and a save is sent on to that one.
        .filter(({ health }) => health.role !== 'slave')
        .map(({ server, health }) => {
          const address = `${server.options.host}:${server.options.port}`;
          const located = (text: string): string => `${address}: ${text}`;
          return {
            ...health,
            faults: health.faults.map(located),
            warnings: health.warnings.map(located),
          };
        })
    );
  } catch (error) {
    throw RedisError.from(error, 'info');
  }
}

/** The server that comes closest to its memory limit: it refuses saves first. Pure. */
export function fullest(health: readonly RedisHealth[]): RedisHealth | undefined {
  const used = ({ usedMemoryBytes, memoryLimitBytes }: RedisHealth): number =>
    memoryLimitBytes === 0 ? 0 : usedMemoryBytes / memoryLimitBytes;
  return [...health].sort((a, b) => used(b) - used(a))[0];
}

/**
 * The newest of the servers' clocks, µs. Each partition's times were written by the clock of its own server; the
 * newest one takes no session for younger than it is. One that is away has no say: its partitions are away too.
 *
 * @throws RedisError when none answers
 */
export async function newestClockUs(redis: RedisConnection): Promise<number> {
  try {
    const asked = await Promise.allSettled(primaries(redis).map((server) => server.time()));
    const times = asked.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
    const [first] = asked;
    if (times.length === 0 && first?.status === 'rejected') throw first.reason;
    return Math.max(...times.map(clockUs));
  } catch (error) {
    throw RedisError.from(error, 'time');
  }
}

function clockUs(reply: unknown): number {
  const [seconds, micros] = listIn('time', reply, 2);
  const us = Number(seconds) * 1e6 + Number(micros);
  return understood('time', us > 0 && Number.isFinite(us) ? us : undefined);
}
