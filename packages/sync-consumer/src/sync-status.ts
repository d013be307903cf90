import { describeFailure, isBusy, withoutRows } from '@cauce/postgres';
import { type Clocks, RedisError } from '@cauce/protocol';
import type { Logger } from 'pino';
import type { Heartbeat } from './heartbeats.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { CircuitBreaker, CircuitState } from './postgres/circuit-breaker.ts';
import type { ParkLimiter } from './postgres/park-limiter.ts';
import { createProgressLog } from './progress-log.ts';
import type { Skipped } from './skipped.ts';
import { hasWork, type SyncReport } from './sync-report.ts';

export interface SyncStatusDeps extends Clocks {
  readonly consumer: string;
  readonly lifecycle: Pick<Lifecycle, 'phase'>;
  readonly circuit: Pick<CircuitBreaker, 'state'>;
  readonly parkLimiter: Pick<ParkLimiter, 'isOpen'>;
  readonly skipped: Pick<Skipped, 'problem'>;
  readonly logger: Logger;
}

interface Problem {
  readonly state: 'away' | 'misconfigured';
  readonly reason: string;
  /** The same for those who do not know yet that it is about PostgreSQL. */
  readonly sentence: string;
}

/**
 * What a consumer says of itself: to the log when something changes, to `/readyz`, and in its heartbeat for
 * `cauce status`. It decides nothing.
 */
export class SyncStatus {
  readonly #deps: SyncStatusDeps;
  readonly #startedAtMs: number;
  #redisProblem: string | undefined;
  #redisFault: string | undefined;
  #wasBreakerOpen = false;
  #syncs = 0;
  #failedSyncs = 0;
  #lastSyncAtMs: number | undefined;
  #lastSync: SyncReport | undefined;
  readonly #logProgress: (written: number) => void;

  constructor(deps: SyncStatusDeps) {
    this.#deps = deps;
    this.#startedAtMs = deps.wallClockMs();
    this.#logProgress = createProgressLog(deps);
  }

  /** Whether sessions are being synced, or why not. */
  get readiness(): { isReady: boolean; reason?: string } {
    if (this.#redisProblem !== undefined) return { isReady: false, reason: this.#redisProblem };
    const { phase } = this.#deps.lifecycle;
    const isSyncing = phase === 'running' || phase === 'opening';
    if (!isSyncing) return { isReady: false, reason: phase };
    if (this.#redisFault !== undefined) return { isReady: false, reason: this.#redisFault };
    const problem = this.#postgresProblem();
    if (problem) return { isReady: false, reason: problem.sentence };
    if (phase === 'opening') return { isReady: false, reason: phase };
    const skipped = this.#deps.skipped.problem;
    return skipped === undefined ? { isReady: true } : { isReady: false, reason: `Redis: ${skipped}` };
  }

  get heartbeat(): Heartbeat {
    const problem = this.#postgresProblem();
    const { phase } = this.#deps.lifecycle;
    return {
      consumer: this.#deps.consumer,
      startedAtMs: this.#startedAtMs,
      seenAtMs: this.#deps.wallClockMs(),
      state: problem?.state ?? (phase === 'running' || phase === 'opening' ? phase : 'stopping'),
      problem: problem?.reason ?? this.#deps.skipped.problem,
      lastSyncAtMs: this.#lastSyncAtMs,
      lastSyncDurationMs: this.#lastSync && Math.round(this.#lastSync.durationMs),
      lastSync: this.#lastSync,
      syncs: this.#syncs,
      failedSyncs: this.#failedSyncs,
    };
  }

  statementFailed(): void {
    this.#failedSyncs++;
  }

  circuitChanged(state: CircuitState): void {
    const { logger } = this.#deps;
    if (state.kind === 'up') {
      logger.info('PostgreSQL is back');
      return;
    }
    const { code, summary, class: failureClass } = state.failure;
    if (failureClass === 'transient' && isBusy(code)) {
      logger.warn({ code, reason: summary }, 'PostgreSQL could not run a statement; it is tried again');
    } else if (failureClass === 'transient') {
      logger.warn({ code, reason: summary }, 'PostgreSQL is away; sessions wait in Redis');
    } else {
      logger.error(
        { code, reason: summary },
        'PostgreSQL refuses the work until this is fixed; nothing is lost, sessions wait in Redis',
      );
    }
  }

  /** Undefined: Redis keeps what it is given. */
  redisIsUnsafe(fault: string | undefined): void {
    if (fault !== undefined && this.#redisFault !== fault) {
      this.#deps.logger.error(
        { fault },
        'Redis may drop sessions that PostgreSQL does not have; bots refuse to save',
      );
    }
    this.#redisFault = fault;
  }

  redisWorked(): void {
    this.#redisProblem = undefined;
  }

  /** @param job what failed, if it is not the syncing itself */
  redisFailed(thrown: unknown, job?: string): void {
    // A stop ends what is under way.
    if (thrown instanceof Error && thrown.name === 'AbortError') return;
    const error = withoutRows(thrown);
    const isNews = this.#redisProblem === undefined;
    this.#redisProblem = error instanceof Error ? error.message : String(error);
    this.#failedSyncs++;
    if (!isNews) return;
    const level = error instanceof RedisError && error.retryable ? 'warn' : 'error';
    this.#deps.logger[level](
      { err: error, job },
      'a pass ended early; what it did not finish is tried again',
    );
  }

  synced(report: SyncReport): void {
    const { logger } = this.#deps;
    this.redisWorked();
    this.#lastSyncAtMs = this.#deps.wallClockMs();
    const { written, parked, malformed } = report;
    if (hasWork(report)) {
      this.#syncs++;
      this.#lastSync = report;
      logger.debug(report, 'synced');
    }
    this.#logProgress(written);
    if (parked > 0) logger.warn({ parked }, 'PostgreSQL refuses sessions; see `cauce parked list`');
    if (malformed > 0) logger.warn({ malformed }, 'removed entries that Cauce did not write');
    const { isOpen } = this.#deps.parkLimiter;
    if (isOpen && !this.#wasBreakerOpen) {
      logger.error(
        'PostgreSQL refuses too many rows: this is a fault of the table. No more rows are parked; they wait in Redis',
      );
    }
    this.#wasBreakerOpen = isOpen;
  }

  #postgresProblem(): Problem | undefined {
    const { circuit, parkLimiter } = this.#deps;
    if (circuit.state.kind !== 'up') {
      const { failure } = circuit.state;
      return {
        state: failure.class === 'transient' ? 'away' : 'misconfigured',
        reason: failure.summary,
        sentence: describeFailure(failure),
      };
    }
    if (parkLimiter.isOpen) {
      const reason = 'too many rows are refused; see `cauce parked list` for why';
      return { state: 'misconfigured', reason, sentence: `PostgreSQL: ${reason}` };
    }
    return undefined;
  }
}
