import { MAX_SCRIPT_BYTES, type ParkedRecord, type Scripts } from '@cauce/protocol';
import type { SessionRow } from '../postgres/queries.ts';
import type { AnnouncedSession } from './dedupe-by-session.ts';
import { groupBy } from './group-by.ts';

/** What a session holds now, on its way to its row. */
export interface TakenRow extends SessionRow {
  readonly announced: AnnouncedSession;
  readonly parked: ParkedRecord | undefined;
  /** Saved since Redis was last restarted, promoted or moved: newer than anything it may have lost then. */
  readonly isLater: boolean;
}

export interface TakenBatch {
  readonly rows: readonly TakenRow[];
  /** Nothing to carry: synced already, or vanished. */
  readonly clean: readonly AnnouncedSession[];
  /** Did not fit into the bytes of one batch: take them next. */
  readonly deferred: readonly AnnouncedSession[];
  /** When each partition was read, Redis' clock in µs. */
  readonly takenAtUs: ReadonlyMap<number, string>;
}

/** Reads the newest states of the announced sessions: one script call a partition. @throws RedisError */
export async function takeStates(
  scripts: Pick<Scripts, 'take'>,
  sessions: readonly AnnouncedSession[],
): Promise<TakenBatch> {
  const partitions = groupBy(sessions, ({ session }) => session.partition);
  // Shared among the partitions, so that a batch of large sessions stays near the limit as a whole.
  const maxBytes = Math.ceil(MAX_SCRIPT_BYTES / Math.max(1, partitions.size));
  const rows: TakenRow[] = [];
  const clean: AnnouncedSession[] = [];
  const deferred: AnnouncedSession[] = [];
  const takenAtUs = new Map<number, string>();
  await Promise.all(
    [...partitions].map(async ([partition, announced]) => {
      const keys = announced.map(({ session }) => session.key);
      const reply = await scripts.take(partition, keys, { maxBytes });
      takenAtUs.set(partition, reply.takenAtUs);
      for (const [i, taken] of reply.taken.entries()) {
        const one = announced[i] as AnnouncedSession;
        if (taken.outcome === 'clean') clean.push(one);
        else if (taken.outcome === 'deferred') deferred.push(one);
        else {
          rows.push({
            ref: one.session.ref,
            state: taken.isTombstone ? null : taken.state,
            version: taken.version,
            announced: one,
            parked: taken.parked,
            isLater: taken.isLater,
          });
        }
      }
    }),
  );
  return { rows, clean, deferred, takenAtUs };
}
