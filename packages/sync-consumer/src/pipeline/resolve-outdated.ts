import {
  type ConflictRow,
  classifyPostgresFailure,
  mayBeOneRow,
  type PostgresFailure,
  type Queries,
  rowId,
  type SessionRow,
} from '@cauce/postgres';
import { compareVersions, isVersion, MAX_SCRIPT_BYTES, type Scripts } from '@cauce/protocol';
import type { Logger } from 'pino';
import type { CircuitBreaker } from '../postgres/circuit-breaker.ts';
import type { ParkLimiter } from '../postgres/park-limiter.ts';
import { type AskDeps, askPartitions } from '../redis/ask-partitions.ts';
import { uncountableRows } from '../redis/unreadable-sessions.ts';
import { groupBy } from './group-by.ts';
import { shuffled } from './shuffled.ts';
import { MAX_BATCH_BYTES, type TakenRow, takeStates } from './take-states.ts';

export interface ResolveDeps extends AskDeps {
  readonly queries: Pick<Queries, 'selectSessions' | 'archiveConflicts'>;
  readonly scripts: Pick<Scripts, 'take' | 'adopt' | 'reissue'>;
  readonly circuit: CircuitBreaker;
  readonly parkLimiter: Pick<ParkLimiter, 'mayPark'>;
  readonly logger: Logger;
}

/** What became of rows that were not written: never nothing (P6). */
export interface ResolvedRows {
  /** PostgreSQL has exactly this version: an earlier attempt was committed. */
  readonly duplicates: readonly TakenRow[];
  /** PostgreSQL is newer and so is Redis: somebody else synced a later save. */
  readonly superseded: readonly TakenRow[];
  /** PostgreSQL is newer than what Redis came back with: the loser is archived and Redis took the row over. */
  readonly conflicts: readonly TakenRow[];
  /**
   * Saved after Redis had lost everything, below the version of its row: the row's state is archived, and the session
   * is announced with a version above it.
   */
  readonly reissued: readonly TakenRow[];
  /** PostgreSQL said that nothing is wrong, and wrote nothing: park it. */
  readonly refused: readonly { readonly row: TakenRow; readonly sqlState: string }[];
  /**
   * Cannot be decided now, or not be parked, or its row has a version that Redis cannot count on from: left pending, to
   * be tried again.
   */
  readonly unsettled: readonly TakenRow[];
}

/** What the parked record says where PostgreSQL has no code for it: a trigger kept the row out, or changed it. */
const NOT_WRITTEN = 'NOT_WRITTEN';
/** With so many losing states refused one by one, the rest is not tried this time. */
const ARCHIVE_REFUSALS = 5;

/** @throws RedisError as askPartitions, AbortError */
export async function resolveOutdated(
  deps: ResolveDeps,
  outdated: readonly TakenRow[],
  { ttlMs, signal }: { ttlMs: number; signal: AbortSignal },
): Promise<ResolvedRows> {
  if (outdated.length === 0)
    return { duplicates: [], superseded: [], conflicts: [], reissued: [], refused: [], unsettled: [] };
  const { queries, scripts, circuit, parkLimiter, logger } = deps;

  const stored = await circuit.through(signal, () => queries.selectSessions(outdated.map(({ ref }) => ref)));
  const storedById = new Map(stored.map((row) => [rowId(row.ref), row]));
  const storedFor = ({ ref }: TakenRow): SessionRow | undefined => storedById.get(rowId(ref));
  const duplicates = outdated.filter((row) => storedFor(row)?.version === row.version);
  const uncountable = outdated.filter((row) => {
    const winner = storedFor(row);
    return winner && !isVersion(winner.version);
  });
  for (const [partition, rows] of groupBy(uncountable, ({ announced }) => announced.session.partition)) {
    deps.onSkipped([uncountableRows(partition, rows.length)]);
  }
  const newer = outdated.filter((row) => {
    const winner = storedFor(row);
    return winner && isVersion(winner.version) && compareVersions(winner.version, row.version) > 0;
  });
  const known = new Set([...duplicates, ...newer, ...uncountable]);
  // Their row is missing or older, as if nobody had tried. A row that vanished in between is tried again like any
  // other.
  const ignored = outdated.filter((row) => !known.has(row));
  if (ignored.length > 0) {
    logger.error(
      { sessions: ignored.length },
      'PostgreSQL took sessions and did not write them: look for a trigger, or a policy that hides rows',
    );
  }
  const refused = ignored
    .filter(({ parked }) => parked !== undefined || parkLimiter.mayPark())
    .map((row) => ({ row, sqlState: NOT_WRITTEN }));
  const parked = new Set(refused.map(({ row }) => row));

  // Redis may have moved on since the states were taken; only a session still at the losing version lost.
  const held = await takeStates(
    deps,
    newer.map(({ announced }) => announced),
    // One that is larger than a batch is alone in it.
    { maxBytes: outdated.length > 1 ? MAX_BATCH_BYTES : MAX_SCRIPT_BYTES },
  );
  const heldVersions = new Map(held.rows.map(({ announced, version }) => [announced.session.key, version]));
  const open = new Set([...held.deferred, ...held.skipped].map(({ session }) => session.key));
  const disputed = newer.filter(
    ({ announced, version }) => heldVersions.get(announced.session.key) === version,
  );
  const undecided = newer.filter(({ announced }) => open.has(announced.session.key));
  const superseded = newer.filter((row) => !disputed.includes(row) && !undecided.includes(row));

  let refusal: PostgresFailure | undefined;
  // Whatever loses is kept before it is overwritten.
  const archived = await archive(disputed);
  if (archived.length < disputed.length) {
    const sessions = disputed.length - archived.length;
    const reason = refusal?.summary ?? 'a trigger keeps them out';
    logger.error({ sessions, reason }, 'losing states cannot be archived; they stay in Redis');
  }
  const lost = archived.map((row) => ({ row, partition: row.announced.session.partition }));
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
      'a save got a version below its row, because Redis lost its clock; it is synced with a newer one',
    );
    return row;
  });
  const decided = new Set([...duplicates, ...superseded, ...conflicts, ...reissued, ...parked]);
  const unsettled = outdated.filter((row) => !decided.has(row));
  return { duplicates, superseded, conflicts, reissued, refused, unsettled };

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

  /** Those whose loser is kept. What is refused together is tried one by one. */
  async function archive(rows: readonly TakenRow[]): Promise<readonly TakenRow[]> {
    if (rows.length === 0) return [];
    const call = rows.map((row) => ({ ...toConflict(row), row }));
    const kept = await circuit.through(signal, () => queries.archiveConflicts(call).catch(noteRefusal));
    if (kept) return kept.map(({ row }) => row);
    if (rows.length === 1) return [];
    const alone: TakenRow[] = [];
    let refusals = 0;
    for (const row of shuffled(rows)) {
      const [archived] = await archive([row]);
      if (archived) alone.push(archived);
      else if (++refusals === ARCHIVE_REFUSALS) break;
    }
    return alone;
  }

  /** The conflict table is at fault, or a row: the sessions that have nothing to do with it go on. */
  function noteRefusal(error: unknown): undefined {
    const failure = classifyPostgresFailure(error);
    if (failure.class !== 'refused' && !mayBeOneRow(failure)) throw error;
    refusal = failure;
  }
}
