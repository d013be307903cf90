import { type Queries, rowId } from '@cauce/postgres';
import { compareVersions, isVersion, MAX_SCRIPT_BYTES, type Scripts } from '@cauce/protocol';
import type { ParkLimiter } from '../postgres/park-limiter.ts';
import { type AskDeps, askPartitions } from '../redis/ask-partitions.ts';
import { uncountableRows } from '../redis/unreadable-sessions.ts';
import { type ArchiveDeps, archiveLosers, type Dispute, winsOverStored } from './archive-losers.ts';
import type { Fate, TakenRow } from './fate.ts';
import { groupBy } from './group-by.ts';
import { MAX_BATCH_BYTES, takeStates } from './take-states.ts';

export interface ResolveDeps extends AskDeps, ArchiveDeps {
  readonly queries: Pick<Queries, 'selectFencedSessions' | 'selectSessions' | 'archiveConflicts'>;
  readonly scripts: Pick<Scripts, 'take' | 'adopt' | 'reissue'>;
  readonly parkLimiter: Pick<ParkLimiter, 'mayPark'>;
}

type ResolvedFate = Fate<
  'fenced' | 'duplicate' | 'superseded' | 'conflict' | 'reissued' | 'parked' | 'postponed' | 'skipped'
>;

/** What the parked record says where PostgreSQL has no code for it: a trigger kept the row out, or changed it. */
const NOT_WRITTEN = 'NOT_WRITTEN';

/** Gives each row that was not written an outcome (P6, P10). @throws RedisError as askPartitions, AbortError */
export async function resolveOutdated(
  deps: ResolveDeps,
  notWritten: readonly TakenRow[],
  { ttlMs, signal }: { ttlMs: number; signal: AbortSignal },
): Promise<ResolvedFate[]> {
  if (notWritten.length === 0) return [];
  const { queries, circuit } = deps;
  const fenced = new Set(await circuit.through(signal, () => queries.selectFencedSessions(notWritten)));
  const outdated = notWritten.filter((row) => !fenced.has(row));
  const compared = await compareWithRows(deps, outdated, { ttlMs, signal });
  return [...[...fenced].map((row) => ({ outcome: 'fenced', row }) as const), ...compared];
}

async function compareWithRows(
  deps: ResolveDeps,
  outdated: readonly TakenRow[],
  { ttlMs, signal }: { ttlMs: number; signal: AbortSignal },
): Promise<ResolvedFate[]> {
  if (outdated.length === 0) return [];
  const { queries, scripts, circuit, parkLimiter, logger } = deps;
  // Each until more is known of it.
  const fates = new Map<TakenRow, ResolvedFate>(outdated.map((row) => [row, { outcome: 'postponed', row }]));
  const skip = (row: TakenRow): void => {
    fates.set(row, { outcome: 'skipped', announced: row.announced });
  };

  const found = await circuit.through(signal, () => queries.selectSessions(outdated.map(({ ref }) => ref)));
  const foundById = new Map(found.map((row) => [rowId(row.ref), row]));
  const newer: Dispute[] = [];
  const uncountable: TakenRow[] = [];
  const ignored: TakenRow[] = [];
  for (const row of outdated) {
    const stored = foundById.get(rowId(row.ref));
    if (stored?.version === row.version) fates.set(row, { outcome: 'duplicate', row });
    else if (stored && !isVersion(stored.version)) uncountable.push(row);
    else if (stored && compareVersions(stored.version, row.version) > 0) newer.push({ row, stored });
    else ignored.push(row);
  }

  for (const [partition, rows] of groupBy(uncountable, partitionOf)) {
    rows.forEach(skip);
    deps.onSkipped([uncountableRows(partition, rows.length)]);
  }
  // Their row is missing or older, as if nobody had tried. A row that vanished in between is tried again like any other.
  if (ignored.length > 0) {
    logger.error(
      { sessions: ignored.length },
      'PostgreSQL accepted sessions and did not write them: look for a trigger, or a policy that hides rows',
    );
  }
  for (const row of ignored) {
    const mayPark = row.parked !== undefined || parkLimiter.mayPark();
    if (mayPark) fates.set(row, { outcome: 'parked', row, sqlState: NOT_WRITTEN });
  }

  const disputes = await stillHeld();
  // A losing state is archived before it is overwritten.
  const archived = await archiveLosers(deps, disputes, signal);
  const lost = archived.map((dispute) => ({ ...dispute, partition: partitionOf(dispute.row) }));
  // Until its partition answers.
  for (const { row } of lost) skip(row);
  const older = lost.filter((dispute) => !winsOverStored(dispute));
  await askPartitions(
    deps,
    older,
    'adopt',
    async ({ partition, row, stored: { state, version, operations } }) => {
      const outcome = await scripts.adopt(row.announced.session, {
        losingVersion: row.version,
        state: state ?? '',
        version,
        isTombstone: state === null,
        operations,
        ttlMs,
      });
      logger.warn(
        { partition, losingVersion: row.version, version, outcome },
        'PostgreSQL had a newer row than Redis; the losing state is in the conflict table',
      );
      fates.set(row, { outcome: 'conflict', row });
    },
  );
  const later = lost.filter(winsOverStored);
  await askPartitions(deps, later, 'reissue', async ({ partition, row, stored: { version } }) => {
    const call = { expectedVersion: row.version, isDirty: true, floor: version };
    const outcome = await scripts.reissue(row.announced.session, call);
    logger.warn(
      { partition, losingVersion: row.version, version, outcome },
      'a save got a version below its row, because Redis lost its version floor; it gets a higher version',
    );
    fates.set(row, { outcome: 'reissued', row });
  });
  return [...fates.values()];

  /** Redis may have moved on since the states were taken; only a session still at the losing version lost. */
  async function stillHeld(): Promise<Dispute[]> {
    const taken = await takeStates(
      deps,
      newer.map(({ row }) => row.announced),
      // One that is larger than a batch is alone in it.
      { maxBytes: outdated.length > 1 ? MAX_BATCH_BYTES : MAX_SCRIPT_BYTES },
    );
    const versions = new Map(taken.rows.map(({ announced, version }) => [announced, version]));
    const outcomes = new Map(taken.fates.map(({ announced, outcome }) => [announced, outcome]));
    const held: Dispute[] = [];
    for (const dispute of newer) {
      const { row } = dispute;
      const outcome = outcomes.get(row.announced);
      if (versions.get(row.announced) === row.version) held.push(dispute);
      else if (outcome === 'skipped') skip(row);
      else if (outcome !== 'deferred') fates.set(row, { outcome: 'superseded', row });
    }
    return held;
  }
}

function partitionOf({ announced }: TakenRow): number {
  return announced.session.partition;
}
