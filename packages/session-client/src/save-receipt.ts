import type { Version } from '@cauce/protocol';

/**
 * How far a save has come when it is acknowledged.
 *
 * - `memory`: Redis has it; its append-only file has it within a second or two.
 * - `replica`: a replica has it too.
 * - `postgres`: its row is committed.
 */
export type Durability = 'memory' | 'replica' | 'postgres';

export const durabilities: readonly Durability[] = ['memory', 'replica', 'postgres'];

/** The session is in Redis and announced for PostgreSQL. */
export interface SaveReceipt {
  readonly version: Version;
  readonly opId: string;
  /** True when this `opId` had been applied before: `version` is the one it got then. */
  readonly isReplay: boolean;
  /** How far it has come: what was asked for. */
  readonly durability: Durability;
}

/** What is saved: JSON text, or '' with `isTombstone`. */
export interface SaveContent {
  readonly state: string;
  readonly isTombstone: boolean;
}
