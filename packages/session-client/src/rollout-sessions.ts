import { openDirectTable } from '@cauce/postgres/direct';
import { createPostgresLoader, type PostgresLoaderOptions } from '@cauce/postgres/loader';
import { createKeyspace, hostClocks, InvalidOptionError } from '@cauce/protocol';
import { createCalls } from './calls.ts';
import { clientOf } from './client-of.ts';
import { createDirectStore } from './direct-store.ts';
import { resolveOptions, type SessionClientOptions } from './options.ts';
import { createRedisStore } from './redis-store.ts';
import type { SessionClient } from './session-client.ts';
import { createSwitchingStore } from './switching-store.ts';
import { createTenantLoads } from './tenant-loads.ts';

export interface RolloutSessionsOptions<T> extends Omit<SessionClientOptions<T>, 'loader'> {
  /** The table: direct saves go there, and sessions that left Redis are restored from it. */
  readonly database: PostgresLoaderOptions;
  /** How long a call waits for a partition that is being moved, ms. Default 5000; 0 to 60,000. */
  readonly moveWaitMs?: number | undefined;
}

/**
 * Sessions of a bot in a rollout: the same calls, errors and versions as of a session client. Each save and each load
 * follows the writer mode of its partition, which may change at any moment, in PostgreSQL and in Redis. While a partition
 * is being moved a call waits up to `moveWaitMs`; then it ends with SaveRejectedError, `failure.reason` `MODE_MOVING`, or
 * RestoreError: both retryable, and nothing was saved.
 *
 * It needs writer modes: without them loads end with RestoreError and saves as MODE_MOVING. While all partitions are
 * direct, Redis may be away.
 *
 * @throws InvalidOptionError that lists every option out of its bounds
 */
export function createRolloutSessions<T = unknown>(options: RolloutSessionsOptions<T>): SessionClient<T> {
  const { database, moveWaitMs = 5000, ...ofClient } = options;
  if (!Number.isInteger(moveWaitMs) || moveWaitMs < 0 || moveWaitMs > 60_000) {
    throw new InvalidOptionError(`moveWaitMs is ${moveWaitMs}; allowed is a whole number from 0 to 60000.`);
  }
  const loader = createPostgresLoader(database);
  const resolved = resolveOptions<T>({ ...ofClient, loader });
  const { partitions, maxStateBytes, observe, schema, durability, commandTimeoutMs } = resolved;
  const table = openDirectTable(database, { partitions });
  const calls = createCalls({ now: hostClocks.now, observe });
  const redis = createRedisStore({ clocks: hostClocks, signal: calls.closing, followsMode: true }, resolved);
  const direct = createDirectStore({ table, keyspace: createKeyspace({ partitions }) }, { maxStateBytes });
  const uncachedTenants = createTenantLoads({ maxStateBytes });
  const switching = createSwitchingStore(
    { redis, direct, table, uncachedTenants, now: hostClocks.now },
    { moveWaitMs },
  );
  const store = {
    ...switching,
    close: async () => {
      await Promise.all([switching.close(), loader.close()]);
    },
  };
  return clientOf(
    { store, calls },
    { schema, maxStateBytes, durability, canCommit: true, closeGraceMs: commandTimeoutMs },
  );
}
