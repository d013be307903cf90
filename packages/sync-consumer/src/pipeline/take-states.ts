import { MAX_SCRIPT_BYTES, type Scripts, type TakenSession, type Term } from '@cauce/protocol';
import { type AskDeps, askPartitions } from '../redis/ask-partitions.ts';
import { leftoverSessions, oversizeSession, unreadableSessions } from '../redis/unreadable-sessions.ts';
import type { AnnouncedSession } from './dedupe-by-session.ts';
import type { Fate, TakenRow } from './fate.ts';
import { groupBy } from './group-by.ts';
import { SESSIONS_AT_ONCE, slicesOf } from './slices-of.ts';

/**
 * Most state bytes of a batch, all its partitions together. They are in memory several times while they are synced; a
 * larger statement would not be quicker.
 */
export const MAX_BATCH_BYTES: number = 2 * 1024 * 1024;

export interface TakenBatch {
  readonly fates: readonly Fate<'clean' | 'skipped' | 'deferred'>[];
  /** To be synced. */
  readonly rows: readonly TakenRow[];
  /** When each partition was read, Redis' clock in µs. */
  readonly takenAtUs: ReadonlyMap<number, string>;
}

export interface TakeDeps extends AskDeps {
  readonly scripts: Pick<Scripts, 'take'>;
}

export interface TakeOptions {
  /** Most bytes of all states together. */
  readonly maxBytes: number;
  /** The states are large: ask one partition after the other, so that each may use all the room that is left. */
  readonly inTurn?: boolean;
}

/**
 * Reads the newest states of the announced sessions, a few at a time so that bots get their turn: one script call a
 * partition. All partitions at once, each with its share of the room; what does not fit its share in turn, until
 * the room is used up. A state that does not fit alone is deferred, in front of the others; one that is larger than
 * any bot may save is skipped. @throws RedisError as askPartitions
 */
export async function takeStates(
  deps: TakeDeps,
  sessions: readonly AnnouncedSession[],
  { maxBytes, inTurn = false }: TakeOptions,
): Promise<TakenBatch> {
  const rows: TakenRow[] = [];
  const fates: Fate<'clean' | 'skipped' | 'deferred'>[] = [];
  const takenAtUs = new Map<number, string>();
  const unanswered = new Set(sessions);
  let bytesLeft = maxBytes;

  const large: AnnouncedSession[] = [];
  for (const few of slicesOf(sessions, SESSIONS_AT_ONCE)) {
    if (inTurn || large.length > 0) large.push(...few);
    else large.push(...(await take(few)));
  }
  const deferred: AnnouncedSession[] = [];
  for (const [, ofPartition] of groupBy(large, ({ session }) => session.partition)) {
    for (const few of slicesOf(ofPartition, SESSIONS_AT_ONCE)) {
      deferred.push(...(deferred.length > 0 ? few : await take(few)));
    }
  }
  const [oversize] = deferred;
  if (oversize && bytesLeft >= MAX_SCRIPT_BYTES) {
    deferred.shift();
    deps.onSkipped([oversizeSession(oversize.session.partition)]);
  }
  for (const announced of deferred) {
    unanswered.delete(announced);
    fates.push({ outcome: 'deferred', announced });
  }
  for (const announced of unanswered) fates.push({ outcome: 'skipped', announced });
  return { fates, rows, takenAtUs };

  /** Returns those that do not fit. */
  async function take(few: readonly AnnouncedSession[]): Promise<AnnouncedSession[]> {
    const partitions = groupBy(few, ({ session }) => session.partition);
    const asked = [...partitions].map(([partition, announced]) => ({ partition, announced }));
    const shareBytes = Math.floor(bytesLeft / partitions.size);
    const tooLarge = await askPartitions(deps, asked, 'take', async ({ partition, announced }) => {
      const keys = announced.map(({ session }) => session.key);
      const reply = await deps.scripts.take(partition, keys, { maxBytes: shareBytes });
      // The first time: no change that is still unsynced is older.
      if (!takenAtUs.has(partition)) takenAtUs.set(partition, reply.takenAtUs);
      const unreadable = reply.taken.filter(({ outcome }) => outcome === 'unreadable').length;
      if (unreadable > 0) deps.onSkipped([unreadableSessions(partition, unreadable)]);
      const leftover = reply.taken.filter(({ outcome }) => outcome === 'leftover').length;
      if (leftover > 0) deps.onSkipped([leftoverSessions(partition, leftover)]);
      return announced.filter(
        (one, i) => keep(one, reply.taken[i] as TakenSession, reply.period) === 'deferred',
      );
    });
    return tooLarge.flat();
  }

  function keep(one: AnnouncedSession, taken: TakenSession, period: Term): TakenSession['outcome'] {
    if (taken.outcome === 'clean') {
      unanswered.delete(one);
      fates.push({ outcome: 'clean', announced: one });
    }
    if (taken.outcome === 'dirty') {
      unanswered.delete(one);
      bytesLeft -= Buffer.byteLength(taken.state);
      rows.push({
        ref: one.session.ref,
        state: taken.isTombstone ? null : taken.state,
        version: taken.version,
        operations: taken.operations,
        announced: one,
        parked: taken.parked,
        winsOver: taken.winsOver,
        takenIn: { partition: one.session.partition, period },
      });
    }
    return taken.outcome;
  }
}
