import type { SessionRef, Version } from '@cauce/protocol';

/** A session as a row: `state` is JSON text, null for a tombstone. */
export interface SessionRow {
  readonly ref: SessionRef;
  readonly state: string | null;
  readonly version: Version;
  /** Its last saves, as `StoredSession` has them. Undefined: none is known. */
  readonly operations?: string | undefined;
}

/** The primary key as one text. Ids hold no control character, so this pair of them is no other. */
export function rowId({ tenantId, userId }: SessionRef): string {
  return `${tenantId}\n${userId}`;
}
