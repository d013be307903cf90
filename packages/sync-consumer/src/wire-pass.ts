import type { TableIdentity } from '@cauce/protocol';
import { CircuitBreaker, type CircuitBreakerOptions } from './postgres/circuit-breaker.ts';
import { ParkLimiter } from './postgres/park-limiter.ts';
import { takeForTable } from './redis/take-for-table.ts';
import { Skipped } from './skipped.ts';
import { SyncPass, type SyncPassDeps, type SyncPassOptions } from './sync-pass.ts';

export interface WirePassDeps extends Omit<SyncPassDeps, 'circuit' | 'parkLimiter' | 'onSkipped'> {
  /** The table that is synced to; undefined before the partitions were opened. */
  readonly table: () => TableIdentity | undefined;
  /** Opens the partitions. What it throws ends the take that needed it. */
  readonly reopen: () => Promise<void>;
}

export interface WirePassOptions extends Omit<SyncPassOptions, 'ttlMs'> {
  /** How long a synced session stays in Redis, ms. */
  readonly sessionTtlMs: number;
  /** New refusals within a minute that are parked; see {@link ParkLimiter}. */
  readonly parkLimit: number;
  readonly circuit: CircuitBreakerOptions;
}

/** A pass, and the parts of it that its caller also needs. */
export interface WiredPass {
  readonly pass: SyncPass;
  readonly circuit: CircuitBreaker;
  readonly parkLimiter: ParkLimiter;
  readonly skipped: Skipped;
  /** Those given, whose `take` is for the table alone and opens the partitions first when it has to. */
  readonly scripts: SyncPassDeps['scripts'];
}

/** The one way in which a pass is put together, for the consumer and for an operation by hand. */
export function wirePass(deps: WirePassDeps, options: WirePassOptions): WiredPass {
  const { now, table, reopen, logger } = deps;
  const { parkLimit, claimIdleMs, sessionTtlMs: ttlMs } = options;
  const circuit = new CircuitBreaker({ now }, options.circuit);
  const parkLimiter = new ParkLimiter({ now, parkLimit });
  // What waits to be claimed is met again after the idle time.
  const skipped = new Skipped({ now, logger }, { forgetAfterMs: 2 * claimIdleMs });
  const scripts = takeForTable({ scripts: deps.scripts, table, reopen });
  const pass = new SyncPass(
    { ...deps, scripts, circuit, parkLimiter, onSkipped: skipped.note },
    { ...options, ttlMs },
  );
  return { pass, circuit, parkLimiter, skipped, scripts };
}
