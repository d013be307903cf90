import { compareVersions, type Scripts } from '@cauce/protocol';
import type { Logger } from 'pino';
import type { PostgresGate } from '../postgres/gate.ts';
import { type ConflictRow, type Queries, rowId, type SessionRow } from '../postgres/queries.ts';
import { type TakenRow, takeStates } from './take-states.ts';

export interface ResolveDeps {
  readonly queries: Pick<Queries, 'selectSessions' | 'archiveConflicts'>;
  readonly scripts: Pick<Scripts, 'take' | 'adopt'>;
  readonly gate: PostgresGate;
  readonly logger: Logger;
}

/** What became of rows the version guard rejected: never nothing (P6). */
export interface ResolvedRows {
  /** PostgreSQL has exactly this version: an earlier attempt was committed. */
  readonly duplicates: readonly TakenRow[];
  /** PostgreSQL is newer and so is Redis: somebody else carried a later save. */
  readonly superseded: readonly TakenRow[];
  /** PostgreSQL is newer than Redis: the loser is archived and Redis took the row over. */
  readonly conflicts: readonly TakenRow[];
  /** The row vanished in between: left pending, to be tried again. */
  readonly unsettled: readonly TakenRow[];
}

/** @throws RedisError, AbortError */
export async function resolveOutdated(
  deps: ResolveDeps,
  outdated: readonly TakenRow[],
  { ttlMs, signal }: { ttlMs: number; signal: AbortSignal },
): Promise<ResolvedRows> {
  if (outdated.length === 0) return { duplicates: [], superseded: [], conflicts: [], unsettled: [] };
  const { queries, scripts, gate, logger } = deps;

  const stored = await gate.through(signal, () => queries.selectSessions(outdated.map(({ ref }) => ref)));
  const storedById = new Map(stored.map((row) => [rowId(row.ref), row]));
  const storedFor = ({ ref }: TakenRow): SessionRow | undefined => storedById.get(rowId(ref));
  const duplicates = outdated.filter((row) => storedFor(row)?.version === row.version);
  const newer = outdated.filter((row) => {
    const winner = storedFor(row);
    return winner && compareVersions(winner.version, row.version) > 0;
  });
  const known = new Set([...duplicates, ...newer]);
  const unsettled = outdated.filter((row) => !known.has(row));

  // Redis may have moved on since the states were taken; only a session still at the losing version lost.
  const held = await takeStates(
    scripts,
    newer.map(({ announced }) => announced),
  );
  const heldVersions = new Map(held.rows.map(({ announced, version }) => [announced.session.key, version]));
  const deferred = new Set(held.deferred.map(({ session }) => session.key));
  const losers = newer.filter(
    ({ announced, version }) => heldVersions.get(announced.session.key) === version,
  );
  const undecided = newer.filter(({ announced }) => deferred.has(announced.session.key));
  const superseded = newer.filter((row) => !losers.includes(row) && !undecided.includes(row));

  if (losers.length > 0 && !(await archive(losers))) {
    return { duplicates, superseded, conflicts: [], unsettled: [...unsettled, ...undecided, ...losers] };
  }
  for (const row of losers) {
    const winner = storedFor(row) as SessionRow;
    const outcome = await scripts.adopt(row.announced.session, {
      losingVersion: row.version,
      state: winner.state ?? '',
      version: winner.version,
      isTombstone: winner.state === null,
      ttlMs,
    });
    logger.warn(
      {
        partition: row.announced.session.partition,
        losingVersion: row.version,
        version: winner.version,
        outcome,
      },
      'PostgreSQL had a newer row than Redis; the losing state is in the conflict table',
    );
  }
  return { duplicates, superseded, conflicts: losers, unsettled: [...unsettled, ...undecided] };

  /** False when PostgreSQL refuses to keep them: then Redis keeps them, and the others go on. */
  async function archive(lost: readonly TakenRow[]): Promise<boolean> {
    const rows = lost.map((row): ConflictRow => ({ ...row, winningVersion: storedFor(row)?.version ?? '0' }));
    try {
      await gate.through(signal, () => queries.archiveConflicts(rows));
      return true;
    } catch (err) {
      if (signal.aborted) throw err;
      logger.error({ err, sessions: lost.length }, 'losing states cannot be archived; they stay in Redis');
      return false;
    }
  }
}
