import { asked, type PartitionMode } from '@cauce/postgres';
import { parseMode, RedisError, type StoredMode } from '@cauce/protocol';
import { measureBacklog, sweepDirty } from '@cauce/sync-consumer/internal';
import type { AdminDeps, SyncOptions } from '../admin-deps.ts';
import { createAdminPass } from '../admin-pass.ts';
import { checkTable } from '../check-table.ts';
import { type Move, movePartition } from './move-partition.ts';
import type { Target } from './next-step.ts';
import { partitionsAt } from './share-of-partitions.ts';

/** The writer modes in both stores. */
export interface RolloutStatus {
  /** False: no writer modes are stored, sessions are saved in Redis only. */
  readonly isStarted: boolean;
  /** Share of the partitions whose sessions are saved in Redis. */
  readonly percentInRedis: number;
  readonly partitions: readonly (PartitionMode & {
    /** What Redis has; undefined: nothing, or nothing readable. */
    readonly copied: StoredMode | undefined;
    /** Redis follows PostgreSQL. Until it does, saves of the partition may be refused. */
    readonly isCopied: boolean;
  })[];
}

export interface RolloutOptions extends SyncOptions {
  /** For people, beside each mode that changes. */
  readonly actor: string;
  /** How long saves of one partition may be refused, ms. Default 5000. */
  readonly deadlineMs?: number;
  readonly signal: AbortSignal;
  /** Called after each partition. */
  readonly onMoved?: (move: Move) => void;
}

export interface RolloutResult {
  readonly moves: readonly Move[];
  /** Those that are where they should be, whether they were moved or not. */
  readonly arrived: number;
  readonly aborted: number;
  readonly status: RolloutStatus;
}

/** So many partitions at a time: each is closed for as short as possible. */
const AT_A_TIME = 4;

/** @throws RedisError, PostgresError */
export async function readRollout(
  deps: Pick<AdminDeps, 'redis' | 'keyspace' | 'queries'>,
): Promise<RolloutStatus> {
  const { redis, keyspace, queries } = deps;
  const stored = await asked(queries.readModes());
  const partitions = await Promise.all(
    stored.map(async (one) => {
      const text = await redis.hget(keyspace.meta(one.partition), 'mode').catch((error: unknown) => {
        throw RedisError.from(error, 'rollout');
      });
      const copied = parseMode(text ?? '');
      const isCopied = copied !== undefined && copied.mode !== 'void' && copied.term === one.term;
      return { ...one, copied, isCopied };
    }),
  );
  const inRedis = stored.filter(({ mode }) => mode === 'redis').length;
  return {
    isStarted: stored.length > 0,
    percentInRedis: stored.length === 0 ? 100 : (100 * inRedis) / stored.length,
    partitions,
  };
}

/**
 * Stores the first writer mode of every partition: where its sessions are saved today. From `direct` Redis must not have
 * a session that PostgreSQL lacks. Nothing changes if modes are stored already.
 *
 * @returns how many partitions got a mode, and how many sessions only Redis has (then none did)
 * @throws LayoutMismatchError, TableMismatchError, RedisError, PostgresError
 */
export async function startRollout(
  deps: AdminDeps,
  { from, ...options }: RolloutOptions & { readonly from: Target },
): Promise<RolloutResult & { readonly started: number; readonly dirtySessions: number }> {
  const { redis, keyspace, queries } = deps;
  await checkTable(deps);
  const { dirtySessions } = await measureBacklog(redis, keyspace);
  const isRefused = from === 'direct' && dirtySessions > 0;
  await asked(queries.pinLayout(keyspace.partitions));
  const call = { partitions: keyspace.partitions, mode: from, actor: options.actor };
  const started = isRefused ? 0 : await asked(queries.startModes(call));
  // Redis has to know them before anybody relies on its fence.
  const result = await move(deps, started > 0 ? everything(deps, from) : new Map(), options);
  return { ...result, started, dirtySessions: isRefused ? dirtySessions : 0 };
}

/**
 * Brings so many per cent of the partitions to Redis, and the others back to direct saves. Those that stay are not
 * touched. Ends with what could be done: a partition that cannot be moved in time goes back to where it was.
 *
 * @throws LayoutMismatchError, TableMismatchError, RedisError, PostgresError, AbortError: run it again, with any percentage
 */
export async function setRollout(
  deps: AdminDeps,
  percent: number,
  options: RolloutOptions,
): Promise<RolloutResult> {
  const { partitions } = deps.keyspace;
  const { id: tableId } = await checkTable(deps);
  const inRedis = partitionsAt(percent, { partitions, tableId });
  const targets = new Map(
    Array.from({ length: partitions }, (_, partition) => [
      partition,
      inRedis.has(partition) ? ('redis' as const) : ('direct' as const),
    ]),
  );
  return move(deps, targets, options);
}

function everything({ keyspace }: Pick<AdminDeps, 'keyspace'>, target: Target): Map<number, Target> {
  return new Map(Array.from({ length: keyspace.partitions }, (_, partition) => [partition, target]));
}

async function move(
  deps: AdminDeps,
  targets: ReadonlyMap<number, Target>,
  options: RolloutOptions,
): Promise<RolloutResult> {
  const { deadlineMs = 5000, actor, onMoved = () => {} } = options;
  const { queries, now } = deps;
  const before = await readRollout(deps);
  const waiting = before.partitions.filter(
    ({ partition, mode, isCopied }) =>
      targets.has(partition) && !(isCopied && mode === targets.get(partition)),
  );
  const admin = createAdminPass(deps, { ...options, purpose: 'rollout' });
  const { signal } = admin;
  const sync = async (): Promise<void> => {
    await sweepDirty({ ...deps, onSkipped: admin.onSkipped }, { sweepAfterMs: 0 });
    await admin.pass.syncStale(signal);
    await admin.pass.syncNew(signal);
  };
  const moves: Move[] = [];
  try {
    if (waiting.length > 0) {
      const newestAtMs = now();
      const newest = await asked(queries.maxVersion());
      const database = await queries.identifyDatabase();
      await admin.open();
      // Before anything is closed: what is dirty then is little.
      if (waiting.some(({ partition }) => targets.get(partition) === 'direct')) await sync();
      const shared = { actor, deadlineMs, newest, newestAtMs, database, signal };
      const work = [...waiting];
      const moveNext = async (): Promise<void> => {
        for (let next = work.shift(); next; next = work.shift()) {
          const target = targets.get(next.partition) as Target;
          const moved = await movePartition({ ...deps, sync }, next.partition, { ...shared, target });
          moves.push(moved);
          onMoved(moved);
        }
      };
      await Promise.all(Array.from({ length: AT_A_TIME }, moveNext));
    }
  } finally {
    await admin.close();
  }
  const status = await readRollout(deps);
  const arrived = status.partitions.filter(
    ({ partition, mode, isCopied }) => isCopied && mode === (targets.get(partition) ?? mode),
  ).length;
  const aborted = moves.filter(({ outcome }) => outcome === 'aborted').length;
  return { moves, arrived, aborted, status };
}
