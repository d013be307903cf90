import { isCluster, type RedisConnection } from './connection.ts';

/**
 * To be called before a command: what is sent in the same turn of the event loop then leaves in one write to the socket
 * instead of one for each command. Nothing waits: the write happens before the loop turns to anything else.
 *
 * A cluster's nodes have sockets of their own and are left alone.
 */
export function createCorkWrites(redis: RedisConnection): () => void {
  if (isCluster(redis)) return () => {};
  let corked: typeof redis.stream | undefined;
  const uncork = (): void => {
    corked?.uncork();
    corked = undefined;
  };
  return () => {
    // Not there before the first attempt to connect, whatever the type says.
    if (corked || !(redis.stream as typeof redis.stream | undefined)) return;
    corked = redis.stream;
    corked.cork();
    process.nextTick(uncork);
  };
}
