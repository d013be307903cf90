import type { Redis } from 'ioredis';
import { isCluster, type RedisConnection } from './redis-connection.ts';

/**
 * ioredis listens to the first error of a socket only. TLS may report another one, a refused client certificate for
 * example, and an error that nobody listens to ends the process. So every socket gets a listener that stays, as soon as
 * the connection has it: of the server, of the nodes of a cluster, of the sentinels, and of what is duplicated.
 *
 * To be called before it connects: a sentinel that ioredis is asking already is out of reach. May be repeated.
 */
export function outliveErrors(redis: RedisConnection): void {
  if (isCluster(redis)) {
    for (const node of redis.nodes()) outliveErrors(node);
    redis.off('+node', outliveErrors).on('+node', outliveErrors);
    return;
  }
  if (Object.getOwnPropertyDescriptor(redis, 'stream')?.set) return;
  let stream: Redis['stream'] | undefined;
  const listenTo = (next: typeof stream): void => {
    stream = next?.on('error', () => {});
  };
  listenTo(redis.stream);
  Object.defineProperty(redis, 'stream', { get: () => stream, set: listenTo });
  listenToMade(redis, 'duplicate');
  const { connector } = redis as unknown as { readonly connector: Maker<'connectToSentinel'> };
  listenToMade(connector, 'connectToSentinel');
}

/** Only a connection through sentinels has `connectToSentinel`, which is private. */
type Maker<Name extends string> = { [name in Name]?: (...args: never[]) => Redis };

function listenToMade<Name extends string>(maker: Maker<Name>, name: Name): void {
  const make = maker[name];
  if (!make) return;
  maker[name] = (...args) => {
    const made = make.apply(maker, args);
    outliveErrors(made);
    return made;
  };
}
