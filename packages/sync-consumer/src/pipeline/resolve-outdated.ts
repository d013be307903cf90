import { compareVersions, type Scripts } from '@cauce/protocol';
import type { Logger } from 'pino';
import type { PostgresGate } from '../postgres/gate.ts';
import { type ConflictRow, type Queries, rowId, type SessionRow } from '../postgres/queries.ts';
import { type AskDeps, askPartitions } from '../redis/ask-partitions.ts';
import { type TakenRow, takeStates } from './take-states.ts';

export interface ResolveDeps extends AskDeps {
  readonly queries: Pick<Queries, 'selectSessions' | 'archiveConflicts'>;
  readonly scripts: Pick<Scripts, 'take' | 'adopt' | 'reissue'>;
  readonly gate: PostgresGate;
  readonly logger: Logger;
}

/** What became of rows the version guard rejected: never nothing (P6). */
export interface ResolvedRows {
  /** PostgreSQL has exactly this version: an earlier attempt was committed. */
  readonly duplicates: readonly TakenRow[];
  /** PostgreSQL is newer and so is Redis: somebody else carried a later save. */
  readonly superseded: readonly TakenRow[];
  /** PostgreSQL is newer than what Redis came back with: the loser is archived and Redis took the row over. */
  readonly conflicts: readonly TakenRow[];
  /**
   * Saved after Redis had lost everything, below the version of its row: the row's state is archived, and the session
   * is announced with a version above it.
   */
  readonly reissued: readonly TakenRow[];
  /** The row vanished in between, or Redis cannot be asked: left pending, to be tried again. */
  readonly unsettled: readonly TakenRow[];
}

/** @throws RedisError as askPartitions, AbortError */
export async function resolveOutdated(
  deps: ResolveDeps,
  outdated: readonly TakenRow[],
  { ttlMs, signal }: { ttlMs: number; signal: AbortSignal },
): Promise<ResolvedRows> {
  if (outdated.length === 0)
    return { duplicates: [], superseded: [], conflicts: [], reissued: [], unsettled: [] };
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
    deps,
    newer.map(({ announced }) => announced),
  );
  const heldVersions = new Map(held.rows.map(({ announced, version }) => [announced.session.key, version]));
  const open = new Set([...held.deferred, ...held.leftAside].map(({ session }) => session.key));
  const disputed = newer.filter(
    ({ announced, version }) => heldVersions.get(announced.session.key) === version,
  );
  const undecided = newer.filter(({ announced }) => open.has(announced.session.key));
  const superseded = newer.filter((row) => !disputed.includes(row) && !undecided.includes(row));

  // Whatever loses is kept before it is overwritten.
  if (disputed.length > 0 && !(await archive(disputed.map(toConflict)))) {
    const waiting = [...unsettled, ...undecided, ...disputed];
    return { duplicates, superseded, conflicts: [], reissued: [], unsettled: waiting };
  }
  const lost = disputed.map((row) => ({ row, partition: row.announced.session.partition }));
  const older = lost.filter(({ row }) => !wins(row));
  const conflicts = await askPartitions(deps, older, 'adopt', async ({ row }) => {
    const winner = storedFor(row) as SessionRow;
    const outcome = await scripts.adopt(row.announced.session, {
      losingVersion: row.version,
      state: winner.state ?? '',
      version: winner.version,
      isTombstone: winner.state === null,
      ttlMs,
    });
    logger.warn(
      { ...about(row), version: winner.version, outcome },
      'PostgreSQL had a newer row than Redis; the losing state is in the conflict table',
    );
    return row;
  });
  const later = lost.filter(({ row }) => wins(row));
  const reissued = await askPartitions(deps, later, 'reissue', async ({ row }) => {
    const { version: floor } = storedFor(row) as SessionRow;
    const call = { expectedVersion: row.version, isDirty: true, floor };
    const outcome = await scripts.reissue(row.announced.session, call);
    logger.warn(
      { ...about(row), version: floor, outcome },
      'a save got a version below its row, because Redis lost its clock; it is carried with a newer one',
    );
    return row;
  });
  const decided = new Set([...conflicts, ...reissued]);
  const waiting = [...unsettled, ...undecided, ...disputed.filter((row) => !decided.has(row))];
  return { duplicates, superseded, conflicts, reissued, unsettled: waiting };

  function about({ announced, version }: TakenRow): { partition: number; losingVersion: string } {
    return { partition: announced.session.partition, losingVersion: version };
  }

  /** Against a row that is newer by its version. */
  function wins(row: TakenRow): boolean {
    return compareVersions(storedFor(row)?.version ?? '0', row.winsOver) <= 0;
  }

  function toConflict(row: TakenRow): ConflictRow {
    const stored = storedFor(row) as SessionRow;
    return wins(row)
      ? { ...stored, winningVersion: row.version }
      : { ...row, winningVersion: stored.version };
  }

  /** False when PostgreSQL refuses to keep them: then nothing is overwritten, and the others go on. */
  async function archive(lost: readonly ConflictRow[]): Promise<boolean> {
    try {
      await gate.through(signal, () => queries.archiveConflicts(lost));
      return true;
    } catch (err) {
      if (signal.aborted) throw err;
      logger.error({ err, sessions: lost.length }, 'losing states cannot be archived; they stay in Redis');
      return false;
    }
  }
}
