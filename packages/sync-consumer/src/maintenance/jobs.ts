import type { Queries } from '@cauce/postgres';
import type { Clocks, Keyspace, RedisConnection, Scripts, TableIdentity } from '@cauce/protocol';
import type { Logger } from 'pino';
import { forgetHeartbeats } from '../heartbeats.ts';
import type { AskDeps } from '../redis/ask-partitions.ts';
import { followModes } from './follow-modes.ts';
import { forgetConsumers } from './forget-consumers.ts';
import { purgeHistory } from './purge-history.ts';
import { createDatabaseWatch } from './watch-database.ts';

/** What a consumer does again and again beside the syncing. */
export type Job = {
  /** In the log, when a run fails. */
  readonly name: string;
  /** From which phase on. */
  readonly from: 'opening' | 'running';
  /** One run. What it throws is logged, and shown as a problem with Redis; the next run still comes. */
  readonly run: (signal: AbortSignal) => Promise<void>;
} & (
  | {
      /** Pause between the end of a run and the start of the next, ms. The first run is at once. */
      readonly everyMs: number;
    }
  | {
      /** Once a day, in this hour of the host's time zone. */
      readonly atHour: number;
    }
);

export interface JobDeps extends AskDeps, Clocks {
  readonly redis: RedisConnection;
  readonly keyspace: Keyspace;
  readonly scripts: Scripts;
  readonly queries: Queries;
  readonly logger: Logger;
  /** The one that is synced to; undefined before the stores were opened. */
  readonly table: () => TableIdentity | undefined;
  readonly sendHeartbeat: () => Promise<void>;
  readonly openStores: (signal: AbortSignal) => Promise<void>;
  readonly syncStale: (signal: AbortSignal) => Promise<void>;
  readonly sweep: () => Promise<void>;
  /** Has what waits synced without waiting for the interval. */
  readonly syncSoon: () => void;
}

export interface JobOptions {
  readonly claimIdleMs: number;
  readonly sweepAfterMs: number;
  readonly historyDays: number;
  readonly batchRows: number;
}

/** A consumer whose name is in the group for so long without a sign of life is gone. */
const FORGET_AFTER_MS = 3_600_000;

/** All of them: a new one is an entry here. */
export function createJobs(deps: JobDeps, options: JobOptions): readonly Job[] {
  const { claimIdleMs, sweepAfterMs, historyDays, batchRows } = options;
  const watchDatabase = createDatabaseWatch({ ...deps, onResynced: deps.syncSoon }, { batchRows });
  return [
    // From the start, so that `cauce status` shows why a consumer cannot open the stores.
    { name: 'heartbeat', from: 'opening', everyMs: 5000, run: deps.sendHeartbeat },
    { name: 'claim', from: 'running', everyMs: claimIdleMs / 3, run: deps.syncStale },
    { name: 'sweep', from: 'running', everyMs: sweepAfterMs / 3, run: deps.sweep },
    { name: 'Redis check', from: 'running', everyMs: 30_000, run: deps.openStores },
    { name: 'database check', from: 'running', everyMs: 10_000, run: watchDatabase },
    // Until Redis knows a mode, nobody saves in the partition.
    { name: 'writer modes', from: 'running', everyMs: 1000, run: () => followModes(deps) },
    { name: 'forget', from: 'running', everyMs: 600_000, run: () => forgetGone(deps) },
    // At night in most places.
    { name: 'purge', from: 'running', atHour: 3, run: (signal) => purge(deps, { historyDays, signal }) },
  ];
}

async function forgetGone(deps: JobDeps): Promise<void> {
  const { redis, keyspace, logger, wallClockMs } = deps;
  await forgetConsumers(deps, { idleMs: FORGET_AFTER_MS });
  await forgetHeartbeats(redis, keyspace, wallClockMs()).catch((err: unknown) => {
    // Until another consumer removes them, `cauce status` only has more to read.
    logger.debug({ err }, 'the heartbeats of consumers that are gone were not removed');
  });
}

async function purge(
  { queries, logger }: JobDeps,
  options: { readonly historyDays: number; readonly signal: AbortSignal },
): Promise<void> {
  try {
    logger.info(await purgeHistory(queries, options), 'purged old rows');
  } catch (err) {
    if (!options.signal.aborted) logger.error({ err }, 'the purge failed; the next one is tomorrow');
  }
}
