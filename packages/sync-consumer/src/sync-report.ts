/** What became of the sessions that were synced. */
export interface SyncReport {
  /** Newest version written to PostgreSQL. */
  written: number;
  /** PostgreSQL had this very version already. */
  duplicates: number;
  /** PostgreSQL and Redis had a newer one. */
  superseded: number;
  /** PostgreSQL had a newer one than Redis: archived, and Redis took the row over. */
  conflicts: number;
  /** Saved below its row's version after Redis had lost its clock: announced with a version above it. */
  reissued: number;
  /** PostgreSQL refused it. */
  parked: number;
  /** Parked before, next attempt not due. */
  held: number;
  /** Announced, but synced or gone already. */
  clean: number;
  /**
   * Left pending: its row is locked, or vanished while it was compared, or was refused with the parkLimiter open; or its
   * partition failed, or its key cannot be read.
   */
  unsettled: number;
  /** Entries in a changes stream that Cauce did not write; removed. */
  malformed: number;
  statements: number;
  durationMs: number;
}

export function emptyReport(): SyncReport {
  return {
    written: 0,
    duplicates: 0,
    superseded: 0,
    conflicts: 0,
    reissued: 0,
    parked: 0,
    held: 0,
    clean: 0,
    unsettled: 0,
    malformed: 0,
    statements: 0,
    durationMs: 0,
  };
}

/** Adds `more` to `total`. */
export function addToReport(total: SyncReport, more: Partial<SyncReport>): void {
  for (const [name, count] of Object.entries(more)) total[name as keyof SyncReport] += count;
}
