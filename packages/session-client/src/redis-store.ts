import { type Clocks, createKeyspace, createScripts, openRedis } from '@cauce/protocol';
import { createConditionalSave } from './conditional-save.ts';
import { createConfirmSessions } from './confirm-sessions.ts';
import { createUntilDurable } from './durable-saves.ts';
import { createLoadSessions } from './load-sessions.ts';
import { type ResolvedOptions, saveLimits } from './options.ts';
import { createPartitionOpener } from './partition-opener.ts';
import { createReadRows } from './read-rows.ts';
import { createSessionReader } from './read-sessions.ts';
import { createReplicatedSaves } from './replicated-saves.ts';
import { createRestoreSessions } from './restore-sessions.ts';
import { createSaveBatches } from './save-batches.ts';
import { createLoadBasis } from './save-condition.ts';
import { createSaveSession } from './save-session.ts';
import type { SessionLoader } from './session-loader.ts';
import type { SessionStore } from './session-store.ts';
import { createTenantCache } from './tenant-cache.ts';

export interface RedisStoreDeps {
  readonly clocks: Pick<Clocks, 'now'>;
  /** Handed to the loader; aborted when nobody waits any more. */
  readonly signal: AbortSignal;
  /** Each load asks for the writer mode; see ClosedPartitionError. Default false. */
  readonly followsMode?: boolean;
}

/** Sessions in Redis, with the loader behind it. Connects in the background; nothing is sent yet. */
export function createRedisStore<T>(
  { clocks: { now }, signal, followsMode = false }: RedisStoreDeps,
  options: ResolvedOptions<T>,
): SessionStore {
  const { commandTimeoutMs } = options;
  const keyspace = createKeyspace(options);
  const connection = openRedis(options.redis, {
    connectionName: 'cauce-session-client',
    answerTimeoutMs: commandTimeoutMs,
    tlsFiles: options.redisTls,
    onError: options.onRedisError ?? (() => {}),
  });
  const { redis } = connection;
  const scripts = createScripts({ redis, keyspace }, { timeoutMs: commandTimeoutMs });
  const opener = createPartitionOpener(
    { connection, keyspace, scripts, now },
    { ...options, isOfRollout: followsMode },
  );
  const replicated = createReplicatedSaves({ connection, keyspace }, options);
  const reader = createSessionReader(redis, {
    timeoutMs: commandTimeoutMs,
    following: followsMode ? { keyspace, onEpoch: opener.sawEpoch } : undefined,
  });
  const { loader = nothingElsewhere } = options;
  // ±10 %, so that what was restored together does not expire together.
  const newTtlMs = (): number => Math.round(options.sessionTtlSeconds * 1000 * (0.9 + 0.2 * Math.random()));
  const readRows = createReadRows({ loader, opener, signal });
  const loads = createLoadSessions({
    ...{ opener, reader },
    confirm: createConfirmSessions({ opener, scripts, readRows, now, newTtlMs }),
    restore: createRestoreSessions({ redis, scripts, readRows, newTtlMs }, options),
  });
  const loadBasis = createLoadBasis({ opener, loads });
  const limits = saveLimits(options);
  const save = createSaveSession(
    {
      opener,
      sendSave: createSaveBatches({ redis, scripts }, limits),
      untilDurable: createUntilDurable({ opener, replicated, reader, loader, signal }),
    },
    limits,
  );
  return {
    locate: keyspace.locate,
    ...{ loads, loadBasis, save },
    saveIf: createConditionalSave({ save, loadBasis }),
    tenants: createTenantCache({ opener, redis, keyspace, scripts }, options),
    reconnected: () => connection.ready(commandTimeoutMs),
    close() {
      opener.close();
      replicated.close();
      return connection.close();
    },
  };
}

/** Without a loader: a session that is not in Redis does not exist. */
const nothingElsewhere: SessionLoader = { load: (refs) => Promise.resolve(refs.map(() => undefined)) };
