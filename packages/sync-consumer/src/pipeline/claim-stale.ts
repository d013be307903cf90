import { entriesIn, listIn, SYNC_GROUP, textIn, withDeadline } from '@cauce/protocol';
import { gatherEntries, type ReadBatch, type ReadDeps } from './read-batch.ts';

/** Most entries taken over from one partition at a time, so that old entries do not starve new ones. */
const CLAIM_COUNT = 100;

export interface ClaimOptions {
  readonly consumer: string;
  /** Entries without a sign of life for this long are taken over, ms. */
  readonly claimIdleMs: number;
  readonly timeoutMs: number;
}

/**
 * Where XAUTOCLAIM goes on in each partition, by index. A cursor that started at 0 each time would look at the
 * same entries for ever when there are many.
 */
export type ClaimCursors = string[];

/**
 * Takes over events whose consumer died, hangs, or gave up (this one's own included). A consumer that hangs and
 * wakes does no harm: its late write loses against the version guard.
 * @throws RedisError as askPartitions
 */
export async function claimStale(
  deps: ReadDeps,
  cursors: ClaimCursors,
  { consumer, claimIdleMs, timeoutMs }: ClaimOptions,
): Promise<ReadBatch> {
  const { redis, keyspace } = deps;
  const partitions = Array.from({ length: keyspace.partitions }, (_, partition) => ({ partition }));
  return gatherEntries(deps, partitions, async ({ partition }) => {
    const cursor = cursors[partition] ?? '0-0';
    // One that fails begins again: nobody waits for the rest of its list.
    cursors[partition] = '0-0';
    const changes = keyspace.changes(partition);
    const reply = await withDeadline(
      redis.xautoclaim(changes, SYNC_GROUP, consumer, claimIdleMs, cursor, 'COUNT', CLAIM_COUNT),
      timeoutMs,
    );
    // The third element of the reply names entries that were deleted while pending: Redis forgot them already.
    const [next, entries] = listIn('claim', reply);
    const claimed = entriesIn('claim', entries);
    cursors[partition] = textIn('claim', next);
    return claimed;
  });
}
