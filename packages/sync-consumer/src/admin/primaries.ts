import type { RedisConnection } from '@cauce/protocol';
import type { Redis } from 'ioredis';

/** The servers that hold the keys: the one, or every primary of a cluster. */
export function primaries(redis: RedisConnection): Redis[] {
  return 'nodes' in redis ? redis.nodes('master') : [redis];
}
