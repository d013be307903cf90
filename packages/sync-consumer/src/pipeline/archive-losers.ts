import {
  type ConflictRow,
  classifyPostgresFailure,
  mayBeOneRow,
  type PostgresFailure,
  type Queries,
  type SessionRow,
} from '@cauce/postgres';
import { compareVersions } from '@cauce/protocol';
import type { Logger } from 'pino';
import type { CircuitBreaker } from '../postgres/circuit-breaker.ts';
import type { TakenRow } from './fate.ts';
import { shuffled } from './shuffled.ts';

export interface ArchiveDeps {
  readonly queries: Pick<Queries, 'archiveConflicts'>;
  readonly circuit: CircuitBreaker;
  readonly logger: Logger;
}

/** A row that was not written, and the one in its place that is newer by its version. */
export interface Dispute {
  readonly row: TakenRow;
  readonly stored: SessionRow;
}

/** With so many losing states refused one by one, the rest is not tried this time. */
const ARCHIVE_REFUSALS = 5;

/** Whether Redis holds the winner: it was saved after Redis had lost everything. Pure. */
export function winsOverStored({ row, stored }: Dispute): boolean {
  return compareVersions(stored.version, row.winsOver) <= 0;
}

/**
 * Keeps the losing states. Returns the disputes whose loser is kept; what is refused together is tried one by one.
 * @throws AbortError
 */
export async function archiveLosers(
  { queries, circuit, logger }: ArchiveDeps,
  disputes: readonly Dispute[],
  signal: AbortSignal,
): Promise<readonly Dispute[]> {
  let refusal: PostgresFailure | undefined;
  const archived = await archive(disputes);
  if (archived.length < disputes.length) {
    const sessions = disputes.length - archived.length;
    const reason = refusal?.summary ?? 'a trigger keeps them out';
    logger.error({ sessions, reason }, 'losing states cannot be archived; they stay in Redis');
  }
  return archived;

  async function archive(some: readonly Dispute[]): Promise<readonly Dispute[]> {
    if (some.length === 0) return [];
    const call = some.map((dispute) => ({ ...toConflict(dispute), dispute }));
    const kept = await circuit.through(signal, () => queries.archiveConflicts(call).catch(noteRefusal));
    if (kept) return kept.map(({ dispute }) => dispute);
    if (some.length === 1) return [];
    const alone: Dispute[] = [];
    let refusals = 0;
    for (const dispute of shuffled(some)) {
      const [one] = await archive([dispute]);
      if (one) alone.push(one);
      else if (++refusals === ARCHIVE_REFUSALS) break;
    }
    return alone;
  }

  /** The fault is in the conflict table or in one row: sessions without a conflict go on. */
  function noteRefusal(error: unknown): undefined {
    const failure = classifyPostgresFailure(error);
    if (failure.class !== 'refused' && !mayBeOneRow(failure)) throw error;
    refusal = failure;
  }
}

function toConflict(dispute: Dispute): ConflictRow {
  const { row, stored } = dispute;
  return winsOverStored(dispute)
    ? { ...stored, winningVersion: row.version }
    : { ...row, winningVersion: stored.version };
}
