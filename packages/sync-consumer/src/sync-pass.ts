import type { PostgresFailure, Queries } from '@cauce/postgres';
import {
  type Clocks,
  countIn,
  type Keyspace,
  MAX_SCRIPT_BYTES,
  type Scripts,
  withDeadline,
} from '@cauce/protocol';
import type { Logger } from 'pino';
import { type ClaimCursors, claimStale } from './pipeline/claim-stale.ts';
import { decodeBatch } from './pipeline/decode-batch.ts';
import { type AnnouncedSession, dedupeBySession } from './pipeline/dedupe-by-session.ts';
import { type Fate, toTakeAgain } from './pipeline/fate.ts';
import { holdBack } from './pipeline/hold-back.ts';
import { inLanes } from './pipeline/in-lanes.ts';
import { planReads } from './pipeline/plan-reads.ts';
import { type PartitionEntries, type ReadBatch, readBatch } from './pipeline/read-batch.ts';
import { resolveOutdated } from './pipeline/resolve-outdated.ts';
import { dropMalformed, settleBatch } from './pipeline/settle-batch.ts';
import { MAX_BATCH_BYTES, type TakenBatch, takeStates } from './pipeline/take-states.ts';
import { upsertBatch } from './pipeline/upsert-batch.ts';
import type { CircuitBreaker } from './postgres/circuit-breaker.ts';
import type { ParkLimiter } from './postgres/park-limiter.ts';
import { type AskDeps, askAllPartitions } from './redis/ask-partitions.ts';
import { keepOwnership } from './redis/keep-ownership.ts';
import { createSlots, type Slots } from './slots.ts';
import { countFates, emptyReport, type SyncReport } from './sync-report.ts';

/** The moments between the stages of a batch; a test stops a process at one of them. */
export type SyncPhase = 'read' | 'taken' | 'committed' | 'settled';

export interface SyncPassDeps extends AskDeps, Clocks {
  readonly keyspace: Keyspace;
  readonly scripts: Scripts;
  readonly queries: Queries;
  readonly circuit: CircuitBreaker;
  readonly parkLimiter: ParkLimiter;
  readonly logger: Logger;
  /** Called with the partitions whose consumer group is gone; opens them again. */
  readonly onMissingGroups: (partitions: readonly number[]) => Promise<void>;
  readonly onFailure: (failure: PostgresFailure) => void;
  readonly onStatement: (rows: number, durationMs: number) => void;
  readonly onPhase?: ((phase: SyncPhase) => Promise<void>) | undefined;
}

export interface SyncPassOptions {
  /** This process in the consumer group. */
  readonly consumer: string;
  /** Most sessions in one statement. */
  readonly batchRows: number;
  /** Batches at the same time. New events and events that were taken over share them. */
  readonly batchesInFlight: number;
  /** How long a synced session stays in Redis, ms. */
  readonly ttlMs: number;
  readonly claimIdleMs: number;
  /** Longest wait for Redis' answer, ms. */
  readonly redisTimeoutMs: number;
}

/**
 * Syncs changed sessions from Redis to PostgreSQL:
 *
 *   claim stale or read new → decode → dedupe by session → take states → hold back → upsert → resolve → settle
 *
 * At least once, newest version only: an event is acknowledged after the commit, a batch that is synced twice
 * changes nothing, and a session that was saved meanwhile stays dirty and is announced again (P3, P4). A session
 * has at most one event in the stream, so it is in one batch at a time unless a batch was taken over.
 *
 * A partition that fails, and a session that cannot be read, are left announced or pending, and the others are synced
 * (P9): `onSkipped` gets them. Only what concerns all of Redis ends a pass.
 *
 * The states it holds at a time: MAX_BATCH_BYTES for each batch in flight, and one that is larger, of at most
 * MAX_SCRIPT_BYTES.
 */
export class SyncPass {
  readonly #deps: SyncPassDeps;
  readonly #options: SyncPassOptions;
  readonly #claimCursors: ClaimCursors = [];
  readonly #inFlight: Slots;
  readonly #aloneInFlight: Slots = createSlots(1);

  constructor(deps: SyncPassDeps, options: SyncPassOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#inFlight = createSlots(options.batchesInFlight);
  }

  /**
   * Syncs what waits now. What is announced meanwhile waits for the next pass: that is where saves of one
   * session coalesce. @throws AbortError, RedisError: the rest stays announced or pending
   */
  async syncNew(signal: AbortSignal): Promise<SyncReport> {
    const report = emptyReport();
    const startedAtMs = this.#deps.now();
    const plan = planReads(await this.countEvents(), this.#options.batchRows);
    await inLanes(this.#options.batchesInFlight, plan, (reads) =>
      this.#inFlight(async () => {
        // While PostgreSQL is away nothing more becomes pending here.
        await this.#deps.circuit.whenUp(signal);
        const batch = await this.#opened(readBatch(this.#deps, reads, this.#readOptions));
        await this.#sync(batch, report, signal);
      }),
    );
    report.durationMs = this.#deps.now() - startedAtMs;
    return report;
  }

  /** Takes over what other consumers left behind, and syncs it. @throws AbortError, RedisError */
  async syncStale(signal: AbortSignal): Promise<SyncReport> {
    const report = emptyReport();
    const startedAtMs = this.#deps.now();
    do {
      await this.#deps.circuit.whenUp(signal);
      const batch = await this.#opened(
        claimStale(this.#deps, this.#claimCursors, {
          ...this.#readOptions,
          claimIdleMs: this.#options.claimIdleMs,
        }),
      );
      await this.sync(batch, report, signal);
      // Every partition's list was gone through once when its cursor is back at the start.
    } while (this.#claimCursors.some((cursor) => cursor !== '0-0'));
    report.durationMs = this.#deps.now() - startedAtMs;
    return report;
  }

  /** Syncs entries that are pending for this consumer. @throws AbortError, RedisError */
  async sync(batch: readonly PartitionEntries[], report: SyncReport, signal: AbortSignal): Promise<void> {
    const slices = sliceEntries(batch, this.#options.batchRows);
    await inLanes(this.#options.batchesInFlight, slices, (slice) =>
      this.#inFlight(() => this.#sync(slice, report, signal)),
    );
  }

  /**
   * Events in the stream of each partition, those being worked on included; 0 of one that fails.
   * @throws RedisError as askAllPartitions
   */
  async countEvents(): Promise<number[]> {
    const { redis, keyspace } = this.#deps;
    const lengths = new Array<number>(keyspace.partitions).fill(0);
    await askAllPartitions(this.#deps, 'count', async ({ partition }) => {
      const counted = redis.xlen(keyspace.changes(partition));
      lengths[partition] = countIn('count', await withDeadline(counted, this.#options.redisTimeoutMs));
    });
    return lengths;
  }

  async #sync(batch: readonly PartitionEntries[], report: SyncReport, signal: AbortSignal): Promise<void> {
    if (batch.length === 0) return;
    const { keyspace, onPhase = async () => {} } = this.#deps;
    const release = keepOwnership(this.#deps, batch, this.#options);
    try {
      await onPhase('read');
      const { events, malformed } = decodeBatch(keyspace, batch);
      let left: readonly AnnouncedSession[] = dedupeBySession(events);
      let inTurn = false;
      while (left.length > 0) {
        const taken = await takeStates(this.#deps, left, { maxBytes: MAX_BATCH_BYTES, inTurn });
        const deferred = toTakeAgain(taken.fates);
        inTurn = deferred.length > 0;
        left =
          deferred.length < left.length
            ? await this.#syncTaken(taken, report, signal)
            : await this.#syncFirst(left, report, signal);
      }
      await dropMalformed(this.#deps, malformed);
      report.malformed += malformed.length;
    } finally {
      release();
    }
  }

  /** Of sessions whose first is larger than a batch may be. Returns what is left. */
  #syncFirst(
    [first, ...others]: readonly AnnouncedSession[],
    report: SyncReport,
    signal: AbortSignal,
  ): Promise<AnnouncedSession[]> {
    return this.#aloneInFlight(async () => {
      const taken = await takeStates(this.#deps, first ? [first] : [], { maxBytes: MAX_SCRIPT_BYTES });
      return [...(await this.#syncTaken(taken, report, signal)), ...others];
    });
  }

  /** Gives each session its fate. Returns what has to be taken again. */
  async #syncTaken(
    { fates: taken, rows, takenAtUs }: TakenBatch,
    report: SyncReport,
    signal: AbortSignal,
  ): Promise<AnnouncedSession[]> {
    const { onPhase = async () => {} } = this.#deps;
    const { ttlMs } = this.#options;
    await onPhase('taken');
    const { fates: held, due } = holdBack(rows, this.#deps.wallClockMs());
    const { fates: upserted, outdated } = await upsertBatch(this.#upsertDeps(report), due, signal);
    const resolved = await resolveOutdated(this.#deps, outdated, { ttlMs, signal });
    const fates: readonly Fate[] = [...taken, ...held, ...upserted, ...resolved];
    await onPhase('committed');
    await settleBatch(this.#deps, fates, { ttlMs, takenAtUs });
    await onPhase('settled');
    countFates(report, fates);
    return toTakeAgain(fates);
  }

  async #opened(read: Promise<ReadBatch>): Promise<readonly PartitionEntries[]> {
    const { batch, missingGroups } = await read;
    if (missingGroups.length > 0) await this.#deps.onMissingGroups(missingGroups);
    return batch;
  }

  get #readOptions(): { consumer: string; timeoutMs: number } {
    return { consumer: this.#options.consumer, timeoutMs: this.#options.redisTimeoutMs };
  }

  #upsertDeps(report: SyncReport): Parameters<typeof upsertBatch>[0] {
    return {
      ...this.#deps,
      onStatement: (rows, durationMs) => {
        report.statements += 1;
        this.#deps.onStatement(rows, durationMs);
      },
    };
  }
}

function sliceEntries(batch: readonly PartitionEntries[], batchRows: number): PartitionEntries[][] {
  const all = batch.flatMap(({ partition, entries }) => entries.map((entry) => ({ partition, entry })));
  const slices: PartitionEntries[][] = [];
  for (let start = 0; start < all.length; start += batchRows) {
    slices.push(
      all.slice(start, start + batchRows).map(({ partition, entry }) => ({ partition, entries: [entry] })),
    );
  }
  return slices;
}
