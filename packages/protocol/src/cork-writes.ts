import { isCluster, type RedisConnection } from './connection.ts';

/** So few that Redis works on the first while the rest of a burst is still being made. */
const COMMANDS_IN_A_WRITE = 8;

/**
 * To be called before a command: commands that are sent in the same turn of the event loop then leave in one write to
 * the socket, up to {@link COMMANDS_IN_A_WRITE}, instead of one for each. Nothing waits: the write happens before the
 * loop turns to anything else.
 *
 * A cluster's nodes have sockets of their own and are left alone.
 */
export function createCorkWrites(redis: RedisConnection): () => void {
  if (isCluster(redis)) return () => {};
  let corked: typeof redis.stream | undefined;
  let commands = 0;
  const uncork = (): void => {
    corked?.uncork();
    corked = undefined;
  };
  return () => {
    if (corked && ++commands > COMMANDS_IN_A_WRITE) {
      corked.uncork();
      corked.cork();
      commands = 1;
    }
    // Not there before the first attempt to connect, whatever the type says.
    if (corked || !(redis.stream as typeof redis.stream | undefined)) return;
    corked = redis.stream;
    commands = 1;
    corked.cork();
    process.nextTick(uncork);
  };
}
