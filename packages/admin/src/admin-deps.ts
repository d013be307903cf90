import type { Queries } from '@cauce/postgres';
import type { Clocks, Keyspace, RedisConnection, Scripts } from '@cauce/protocol';
import type { Logger, SyncConsumerOptions, SyncPhase } from '@cauce/sync-consumer/internal';

/** What the operations an operator starts by hand work on. Who opened the stores closes them. */
export interface AdminDeps extends Clocks {
  readonly redis: RedisConnection;
  readonly keyspace: Keyspace;
  readonly scripts: Scripts;
  readonly queries: Queries;
  /** Silent by default. */
  readonly logger?: Logger;
  /** Called, and awaited, between the stages of a batch: for tests that stop a process there. */
  readonly onPhase?: ((phase: SyncPhase) => Promise<void>) | undefined;
}

/** The part of {@link AdminDeps} that an operation on Redis alone needs. */
export type RedisDeps = Pick<AdminDeps, 'redis' | 'keyspace'>;

/** How an operation syncs sessions; the consumer's own options fit. */
export type SyncOptions = Pick<
  SyncConsumerOptions,
  'batchRows' | 'batchesInFlight' | 'sessionTtlMs' | 'claimIdleMs' | 'parkLimit' | 'redisTimeoutMs'
>;
