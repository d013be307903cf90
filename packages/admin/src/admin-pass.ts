import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { PostgresError, type PostgresFailure } from '@cauce/postgres';
import { ADMIN_POSTGRES_BACKOFF, type TableIdentity } from '@cauce/protocol';
import {
  type AskDeps,
  type CircuitState,
  checkDatabase,
  openPartitions,
  pinLayout,
  type SyncPass,
  silentLogger,
  skipNone,
  sweepDirty,
  wirePass,
} from '@cauce/sync-consumer/internal';
import type { AdminDeps, SyncOptions } from './admin-deps.ts';

export interface AdminPassOptions extends SyncOptions {
  /** Part of the consumer's name: `cauce-<purpose>-…`. */
  readonly purpose: 'replay' | 'retry' | 'drain' | 'rollout';
  readonly signal: AbortSignal;
  /**
   * How long PostgreSQL may be away at a stretch before the operation gives up, ms; it gives up at once on what
   * waiting does not help (a missing table, a grant). Undefined: it waits until `signal` is aborted.
   */
  readonly patienceMs?: number | undefined;
}

/** The consumer's own pipeline under a name of its own, for one operation. */
export interface AdminPass {
  readonly consumer: string;
  readonly pass: SyncPass;
  /** Aborted with the caller's reason, or with a {@link PostgresError} when PostgreSQL was given up on. */
  readonly signal: AbortSignal;
  /** Tells the log what a step skips. */
  readonly onSkipped: AskDeps['onSkipped'];
  /** Why PostgreSQL cannot be asked now. */
  readonly problem: PostgresFailure | undefined;
  /**
   * Compares the layouts and the tables, creates groups and sets missing floors. Before anything else.
   * @throws LayoutMismatchError, TableMismatchError, RedisError, PostgresError
   */
  open(): Promise<void>;
  /**
   * Forgets the consumer's name where nothing is pending for it. What is pending stays so, and is claimed by any
   * consumer after its idle time.
   */
  close(): Promise<void>;
}

export function createAdminPass(deps: AdminDeps, options: AdminPassOptions): AdminPass {
  const { redis, keyspace, scripts, queries, logger = silentLogger(), onPhase, now, wallClockMs } = deps;
  const { purpose, signal: stop, patienceMs } = options;
  const consumer = `cauce-${purpose}-${hostname()}-${process.pid}-${randomBytes(3).toString('hex')}`;
  const givenUp = new AbortController();
  const signal = AbortSignal.any([stop, givenUp.signal]);
  let patience: NodeJS.Timeout | undefined;
  const endPatience = (): void => {
    clearTimeout(patience);
    patience = undefined;
  };

  let table: TableIdentity | undefined;
  const wired = wirePass(
    {
      now,
      wallClockMs,
      redis,
      keyspace,
      scripts,
      queries,
      logger,
      table: () => table,
      reopen: () => openAll(onSkipped),
      onMissingGroups: async () => {
        await openAll(onSkipped);
        await sweepDirty({ redis, keyspace, scripts, onSkipped }, { sweepAfterMs: 0 });
      },
      onFailure: () => {},
      onStatement: () => {},
      onPhase,
    },
    { ...options, consumer, circuit: { backoff: ADMIN_POSTGRES_BACKOFF, onChange: circuitChanged } },
  );
  const { pass, circuit } = wired;
  const { note: onSkipped } = wired.skipped;

  function circuitChanged(state: CircuitState): void {
    if (state.kind === 'up') endPatience();
    else if (patienceMs !== undefined) {
      const giveUp = (): void => givenUp.abort(new PostgresError(currentFailure() ?? state.failure));
      if (state.failure.class === 'misconfigured') giveUp();
      else patience ??= setTimeout(giveUp, patienceMs);
    }
  }

  function currentFailure(): PostgresFailure | undefined {
    return circuit.state.kind === 'up' ? undefined : circuit.state.failure;
  }

  async function openAll(onSkipped: AskDeps['onSkipped']): Promise<void> {
    const toOpen = { redis, keyspace, scripts, queries, circuit };
    table ??= await pinLayout(toOpen, signal);
    await openPartitions({ ...toOpen, onSkipped }, { table, signal });
  }

  return {
    consumer,
    pass,
    signal,
    onSkipped,
    get problem() {
      return currentFailure();
    },
    async open() {
      await checkDatabase({ queries, circuit, logger }, signal);
      await openAll(skipNone);
    },
    async close() {
      endPatience();
      await Promise.all(
        Array.from({ length: keyspace.partitions }, (_, partition) =>
          scripts.forgetConsumer(partition, { consumer }).catch(() => {}),
        ),
      );
    },
  };
}

/**
 * Runs `work` and says why PostgreSQL ended it early, if it did; what was not finished stays pending or
 * announced. Other errors are thrown on.
 */
export async function untilGivenUp(work: () => Promise<void>): Promise<PostgresFailure | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (error instanceof PostgresError) return error.failure;
    throw error;
  }
}
