import { isHeldBack } from '@cauce/protocol';
import type { Fate, TakenRow } from './fate.ts';

export interface HeldBack {
  readonly fates: readonly Fate<'held'>[];
  /** To be written now. */
  readonly due: readonly TakenRow[];
}

/** Keeps out of the statement what is parked until later. Pure. */
export function holdBack(rows: readonly TakenRow[], nowMs: number): HeldBack {
  const fates: Fate<'held'>[] = [];
  const due: TakenRow[] = [];
  for (const row of rows) {
    const { parked: record } = row;
    if (record !== undefined && isHeldBack(record, nowMs)) fates.push({ outcome: 'held', row, record });
    else due.push(row);
  }
  return { fates, due };
}
