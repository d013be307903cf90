import type { SessionRow } from '@cauce/postgres';
import type { ParkedRecord, Version } from '@cauce/protocol';
import type { AnnouncedSession } from './dedupe-by-session.ts';

/** What a session holds now, on its way to its row. */
export interface TakenRow extends SessionRow {
  readonly announced: AnnouncedSession;
  readonly parked: ParkedRecord | undefined;
  /** Rows up to this version are older, whatever their versions say: they were there when Redis had lost everything. */
  readonly winsOver: Version;
}

/**
 * What may become of a session in a pass, and what is known of it then. A stage ends the way of some sessions, with
 * the outcomes that its type names; the others go on to the next stage:
 *
 *   announced ──► takeStates ───────► clean · skipped · deferred
 *                     │ taken
 *                 holdBack ─────────► held
 *                     │ due
 *                 upsertBatch ──────► written · parked · postponed · expired
 *                     │ outdated
 *                 resolveOutdated ──► duplicate · superseded · conflict · reissued · parked · postponed · skipped
 *
 * Then settleBatch acts on each fate, and the report counts it. Both name every outcome, so that one that is added here
 * does not compile until they know it.
 */
interface Outcomes<Row> {
  /** Its newest version is in PostgreSQL now. */
  readonly written: { readonly row: Row };
  /** PostgreSQL had this very version: an earlier attempt was committed. */
  readonly duplicate: { readonly row: Row };
  /** PostgreSQL is newer and so is Redis: somebody else synced a later save. */
  readonly superseded: { readonly row: Row };
  /** PostgreSQL is newer than what Redis came back with: the loser is archived, and Redis took the row over. */
  readonly conflict: { readonly row: Row };
  /**
   * Saved below the version of its row after Redis had lost its clock: the row's state is archived, and the session is
   * announced with a version above it.
   */
  readonly reissued: { readonly row: Row };
  /** PostgreSQL refuses this row alone, or did not write it and says that nothing is wrong. */
  readonly parked: { readonly row: Row; readonly sqlState: string };
  /** Parked before, and its next attempt is not due. */
  readonly held: { readonly row: Row; readonly record: ParkedRecord };
  /** Synced already, or gone. */
  readonly clean: { readonly announced: AnnouncedSession };
  /**
   * Stays pending, for PostgreSQL: its row is locked or runs out of time, it was refused while nothing more is parked,
   * or the state that lost cannot be archived. Or its turn to be compared with its row did not come.
   */
  readonly postponed: { readonly row: Row };
  /** Stays pending; `onSkipped` was called with why: its partition failed, or its key or row cannot be used as it is. */
  readonly skipped: { readonly announced: AnnouncedSession };
  /** Did not fit into the batch: taken again within the pass. */
  readonly deferred: { readonly announced: AnnouncedSession };
  /** Waited too long for PostgreSQL: taken again within the pass. */
  readonly expired: { readonly row: Row };
}

export type Outcome = keyof Outcomes<unknown>;

/** What became of a session: one of the outcomes `Of`, and what is known with it. */
export type Fate<Of extends Outcome = Outcome, Row = TakenRow> = {
  [One in Of]: { readonly outcome: One } & Outcomes<Row>[One];
}[Of];

/** Not the end of the session's way: it gets another fate in the same pass. */
export type TakenAgain = 'deferred' | 'expired';

export function isTakenAgain(fate: Fate): fate is Fate<TakenAgain> {
  return fate.outcome === 'deferred' || fate.outcome === 'expired';
}

/** What is to be taken again within the pass, in order. Pure. */
export function toTakeAgain(fates: readonly Fate[]): AnnouncedSession[] {
  return fates.filter(isTakenAgain).map((fate) => ('row' in fate ? fate.row.announced : fate.announced));
}
