import type { Queries } from '@cauce/postgres';

export interface PurgeOptions {
  /** Rows nobody saved for longer than this go, days. */
  readonly historyDays: number;
  /** Count only. Default false. */
  readonly isDryRun?: boolean;
  readonly signal?: AbortSignal;
  /** Called after each slice. */
  readonly onProgress?: (done: { readonly blocks: number; readonly ofBlocks: number }) => void;
}

export interface PurgeReport {
  readonly sessions: number;
  readonly conflicts: number;
}

/** Pages of the heap in one statement: about 8 MB, so that no statement locks or reads much. */
const SLICE_BLOCKS = 1000;
/**
 * A row, tombstone or not, stays at least this long after it was written, however old its save: it is what keeps
 * a write that was delayed by any timeout from bringing an older version back.
 */
const SETTLED_HOURS = 24;

/**
 * Deletes old rows and old conflicts in small statements. Rows that are being saved are skipped, and looked at
 * again the next day. @throws what pg throws
 */
export async function purgeHistory(
  queries: Pick<Queries, 'countBlocks' | 'purgeSessions' | 'purgeConflicts'>,
  { historyDays, isDryRun = false, signal, onProgress }: PurgeOptions,
): Promise<PurgeReport> {
  const ofBlocks = await queries.countBlocks();
  let sessions = 0;
  for (let firstBlock = 0; firstBlock < ofBlocks; firstBlock += SLICE_BLOCKS) {
    signal?.throwIfAborted();
    const endBlock = firstBlock + SLICE_BLOCKS;
    sessions += await queries.purgeSessions({
      firstBlock,
      endBlock,
      historyDays,
      settledHours: SETTLED_HOURS,
      isDryRun,
    });
    onProgress?.({ blocks: Math.min(endBlock, ofBlocks), ofBlocks });
  }
  const conflicts = await queries.purgeConflicts({ historyDays, isDryRun });
  return { sessions, conflicts };
}
