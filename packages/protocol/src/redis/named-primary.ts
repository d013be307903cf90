import { RedisError, withDeadline } from './failure.ts';
import { parseInfo } from './health.ts';
import { isCluster, type RedisConnection } from './redis-connection.ts';
import { textIn, understood } from './replies.ts';

/**
 * Whether the sentinels still name the server this connection is with; true where there are none.
 *
 * To be asked after that server has answered. The kernel of a primary that hangs accepts connections, and the primary
 * takes them up when it wakes. By then it may have a successor; it does not know that, and answers as a primary.
 *
 * @throws RedisError when no sentinel, or the server they name, answers in time
 */
export async function isNamedPrimary(
  redis: RedisConnection,
  { timeoutMs }: { readonly timeoutMs: number },
): Promise<boolean> {
  if (isCluster(redis) || !redis.options.sentinels) return true;
  const giveUp = (): null => null;
  const named = redis.duplicate({ lazyConnect: true, retryStrategy: giveUp, sentinelRetryStrategy: giveUp });
  named.on('error', () => {});
  const askNamed = async (): Promise<string> => {
    await named.connect();
    return named.info('server');
  };
  try {
    // Not by address: a name may stand for several.
    const infos = await withDeadline(Promise.all([askNamed(), redis.info('server')]), timeoutMs);
    const [there, here] = infos.map((info) =>
      understood('info', parseInfo(textIn('info', info)).get('run_id')),
    );
    return there === here;
  } catch (error) {
    throw RedisError.from(error, 'info');
  } finally {
    named.disconnect();
  }
}
