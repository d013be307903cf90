import { type ChangeEvent, decodeEvent, type Keyspace } from '@cauce/protocol';
import type { PartitionEntries } from './read-batch.ts';

export interface DecodedBatch {
  readonly events: readonly ChangeEvent[];
  /** Entries that Cauce did not write. */
  readonly malformed: readonly { readonly partition: number; readonly id: string }[];
}

/** Pure. */
export function decodeBatch(keyspace: Keyspace, batch: readonly PartitionEntries[]): DecodedBatch {
  const events: ChangeEvent[] = [];
  const malformed: { partition: number; id: string }[] = [];
  for (const { partition, entries } of batch) {
    for (const entry of entries) {
      const decoded = decodeEvent(keyspace, partition, entry);
      if (decoded.ok) events.push(decoded.event);
      else malformed.push({ partition, id: decoded.id });
    }
  }
  return { events, malformed };
}
