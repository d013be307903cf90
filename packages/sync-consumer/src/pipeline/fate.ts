import type { RedisPeriod, SessionRow } from '@cauce/postgres';
import type { ParkedRecord, Version } from '@cauce/protocol';
import type { AnnouncedSession } from './dedupe-by-session.ts';

/** The newest state of a session, on its way to its row. */
export interface TakenRow extends SessionRow {
  readonly announced: AnnouncedSession;
  readonly parked: ParkedRecord | undefined;
  /** Rows up to this version are older, even if their versions are higher: they were there when Redis had lost everything. */
  readonly winsOver: Version;
  readonly takenIn: RedisPeriod;
}

/**
 * The outcomes of a session in a pass, and what is known with each. A stage gives some sessions an outcome that its type
 * names; the others go on to the next stage:
 *
 *   announced ──► takeStates ───────► clean · skipped · deferred
 *                     │ taken
 *                 holdBack ─────────► held
 *                     │ due
 *                 upsertBatch ──────► written · parked · postponed · expired
 *                     │ outdated
 *                 resolveOutdated ──► fenced · duplicate · superseded · conflict · reissued · parked · postponed · skipped
 *
 * Then settleBatch acts on each fate, and the report counts it. Both name every outcome, so a new one does not compile
 * before they know it.
 */
interface Outcomes<Row> {
  /** Its newest version is in PostgreSQL now. */
  readonly written: { readonly row: Row };
  /** PostgreSQL had this very version: an earlier attempt was committed. */
  readonly duplicate: { readonly row: Row };
  /** PostgreSQL has a newer version, and so has Redis: another consumer synced a later save. */
  readonly superseded: { readonly row: Row };
  /** PostgreSQL is newer than Redis: the losing state is archived, and Redis adopts the row. */
  readonly conflict: { readonly row: Row };
  /**
   * Saved below the version of its row after Redis had lost its floor: the row's state is archived, and the session is
   * announced with a version above it.
   */
  readonly reissued: { readonly row: Row };
  /** PostgreSQL refuses this row alone, or did not write it and reported no error. */
  readonly parked: { readonly row: Row; readonly sqlState: string };
  /** Parked before; it is not time for its next attempt. */
  readonly held: { readonly row: Row; readonly record: ParkedRecord };
  /** Synced already, or gone. */
  readonly clean: { readonly announced: AnnouncedSession };
  /**
   * Stays pending because of PostgreSQL: its row is locked or runs out of time; it was refused after the park limit; the
   * losing state cannot be archived; or its turn to be compared with its row did not come.
   */
  readonly postponed: { readonly row: Row };
  /**
   * Stays pending: the writer mode of its partition changed since it was taken. PostgreSQL keeps out what belongs to a time
   * in Redis that is over.
   */
  readonly fenced: { readonly row: Row };
  /**
   * Stays pending: its partition failed, its key or row cannot be used, or it was saved before the present Redis period.
   * `onSkipped` got the reason.
   */
  readonly skipped: { readonly announced: AnnouncedSession };
  /** Did not fit into the batch: taken again within the pass. */
  readonly deferred: { readonly announced: AnnouncedSession };
  /** Waited too long for PostgreSQL: taken again within the pass. */
  readonly expired: { readonly row: Row };
}

export type Outcome = keyof Outcomes<unknown>;

/** What happened to a session: one of the outcomes `Of`, and what is known with it. */
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
