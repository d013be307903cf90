import { type Fate, isTakenAgain, type Outcome, type TakenAgain } from './pipeline/fate.ts';

/** Those that a session's way through a pass may end with. */
export type FinalOutcome = Exclude<Outcome, TakenAgain>;

/** How many sessions came to each end: what each outcome means is said in `pipeline/fate.ts`. */
export interface SyncReport extends Record<FinalOutcome, number> {
  /** Entries in a changes stream that Cauce did not write; removed. */
  malformed: number;
  statements: number;
  durationMs: number;
}

const none: Readonly<Record<FinalOutcome, number>> = {
  written: 0,
  duplicate: 0,
  superseded: 0,
  conflict: 0,
  reissued: 0,
  parked: 0,
  held: 0,
  clean: 0,
  postponed: 0,
  fenced: 0,
  skipped: 0,
};

export const finalOutcomes = Object.keys(none) as readonly FinalOutcome[];

export function emptyReport(): SyncReport {
  return { ...none, malformed: 0, statements: 0, durationMs: 0 };
}

/** Adds the outcome of each session to `report`. */
export function countFates(report: SyncReport, fates: readonly Fate[]): void {
  for (const fate of fates) if (!isTakenAgain(fate)) report[fate.outcome] += 1;
}

/** Adds `more` to `total`. */
export function addToReport(total: SyncReport, more: SyncReport): void {
  for (const [name, count] of Object.entries(more)) total[name as keyof SyncReport] += count;
}

/** Whether there was anything to do: what was synced already or is not due was only acknowledged. Pure. */
export function hasWork(report: SyncReport): boolean {
  return finalOutcomes.some((outcome) => outcome !== 'clean' && outcome !== 'held' && report[outcome] > 0);
}
