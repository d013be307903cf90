import type { ClusterOptions as KnownClusterOptions, RedisOptions as KnownRedisOptions } from 'ioredis';

/** Since 6.0; 5.11 has no such option, and no such type. */
interface ReplyMapping {
  readonly replyMapping?: 'legacy' | 'resp3' | undefined;
}

/** Options of a connection of any ioredis that is allowed beside this package. */
export type RedisOptions = KnownRedisOptions & ReplyMapping;

/** The same of a cluster. */
export type ClusterOptions = KnownClusterOptions & { readonly redisOptions?: ReplyMapping | undefined };
