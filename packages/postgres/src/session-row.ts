import type { SessionRef, Term, Version } from '@cauce/protocol';

/** A time in which the sessions of a partition are in Redis. */
export interface RedisPeriod {
  readonly partition: number;
  /** As `PartitionMode` has it; '0': no mode was known. */
  readonly period: Term;
}

/** A session as a row: `state` is JSON text, null for a tombstone. */
export interface SessionRow {
  readonly ref: SessionRef;
  readonly state: string | null;
  readonly version: Version;
  /** Its last saves, as `StoredSession` has them. Undefined: none is known. */
  readonly operations?: string | undefined;
  /** In which it was taken from Redis. Undefined: it was not; then it is written only where there are no writer modes. */
  readonly takenIn?: RedisPeriod | undefined;
}

/** The primary key as one text. Ids hold no control character, so this pair of them is no other. */
export function rowId({ tenantId, userId }: SessionRef): string {
  return `${tenantId}\n${userId}`;
}
