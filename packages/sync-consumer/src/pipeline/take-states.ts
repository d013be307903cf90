import { MAX_SCRIPT_BYTES, type ParkedRecord, type Scripts, type Version } from '@cauce/protocol';
import type { SessionRow } from '../postgres/queries.ts';
import { type AskDeps, askPartitions } from '../redis/ask-partitions.ts';
import { unreadableSessions } from '../redis/unreadable-sessions.ts';
import type { AnnouncedSession } from './dedupe-by-session.ts';
import { groupBy } from './group-by.ts';
import { SESSIONS_AT_ONCE, slicesOf } from './slices-of.ts';

/** What a session holds now, on its way to its row. */
export interface TakenRow extends SessionRow {
  readonly announced: AnnouncedSession;
  readonly parked: ParkedRecord | undefined;
  /** Rows up to this version are older, whatever their versions say: they were there when Redis had lost everything. */
  readonly winsOver: Version;
}

export interface TakenBatch {
  readonly rows: readonly TakenRow[];
  /** Nothing to carry: synced already, or vanished. */
  readonly clean: readonly AnnouncedSession[];
  /** Did not fit into the bytes of one batch: take them next. */
  readonly deferred: readonly AnnouncedSession[];
  /** Of a partition that failed, or under a key that holds no session: left pending, to be tried again. */
  readonly leftAside: readonly AnnouncedSession[];
  /** When each partition was read, Redis' clock in µs. */
  readonly takenAtUs: ReadonlyMap<number, string>;
}

export interface TakeDeps extends AskDeps {
  readonly scripts: Pick<Scripts, 'take'>;
}

/**
 * Reads the newest states of the announced sessions, a few at a time so that bots get their turn: one script call a
 * partition. @throws RedisError as askPartitions
 */
export async function takeStates(deps: TakeDeps, sessions: readonly AnnouncedSession[]): Promise<TakenBatch> {
  const rows: TakenRow[] = [];
  const clean: AnnouncedSession[] = [];
  const deferred: AnnouncedSession[] = [];
  const takenAtUs = new Map<number, string>();
  const leftAside = new Set(sessions);
  let bytesLeft = MAX_SCRIPT_BYTES;
  for (const few of slicesOf(sessions, SESSIONS_AT_ONCE)) {
    const partitions = groupBy(few, ({ session }) => session.partition);
    const asked = [...partitions].map(([partition, announced]) => ({ partition, announced }));
    // Shared among the partitions, so that a batch of large sessions stays near the limit as a whole.
    const maxBytes = Math.max(0, Math.ceil(bytesLeft / partitions.size));
    await askPartitions(deps, asked, 'take', async ({ partition, announced }) => {
      const keys = announced.map(({ session }) => session.key);
      const reply = await deps.scripts.take(partition, keys, { maxBytes });
      // The first time: no change that is still unsynced is older.
      if (!takenAtUs.has(partition)) takenAtUs.set(partition, reply.takenAtUs);
      const unreadable = reply.taken.filter(({ outcome }) => outcome === 'unreadable').length;
      if (unreadable > 0) deps.onLeftAside([unreadableSessions(partition, unreadable)]);
      for (const [i, taken] of reply.taken.entries()) {
        const one = announced[i] as AnnouncedSession;
        if (taken.outcome === 'unreadable') continue;
        leftAside.delete(one);
        if (taken.outcome === 'clean') clean.push(one);
        else if (taken.outcome === 'deferred') deferred.push(one);
        else {
          bytesLeft -= taken.state.length;
          rows.push({
            ref: one.session.ref,
            state: taken.isTombstone ? null : taken.state,
            version: taken.version,
            announced: one,
            parked: taken.parked,
            winsOver: taken.winsOver,
          });
        }
      }
    });
  }
  return { rows, clean, deferred, leftAside: [...leftAside], takenAtUs };
}
