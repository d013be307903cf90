import { setTimeout as delay } from 'node:timers/promises';
import { asked, type PartitionMode, PostgresError } from '@cauce/postgres';
import { type Epoch, RedisError, type StoredMode, type Version } from '@cauce/protocol';
import type { AdminDeps } from '../admin-deps.ts';
import { nextStep, type Step, type Target } from './next-step.ts';

/** How a partition came where it is. */
export type MoveOutcome =
  /** It is where it should be, and both stores say so. */
  | 'moved'
  /** Nobody could finish it in time: it went back to where saves are possible. */
  | 'aborted';

export interface Move {
  readonly partition: number;
  readonly outcome: MoveOutcome;
  /** What was in the way; undefined unless aborted. */
  readonly obstacle: Obstacle | undefined;
  /** How long nobody could save, ms. */
  readonly closedMs: number;
}

/**
 * Why a move was given up: sessions that are not in PostgreSQL (`dirty`), that it refuses (`parked`), that are left in
 * Redis from an earlier time (`leftover`); it is another place than Redis knows (`database`); its table was locked
 * (`locked`).
 */
export type Obstacle = 'dirty' | 'parked' | 'leftover' | 'database' | 'locked';

export interface MoveDeps extends Pick<AdminDeps, 'redis' | 'keyspace' | 'scripts' | 'queries' | 'now'> {
  /** Syncs what waits in all partitions, once. */
  readonly sync: () => Promise<void>;
}

export interface MoveOptions {
  readonly target: Target;
  /** For people, beside the mode. */
  readonly actor: string;
  /** How long saves of the partition may be refused, ms; then it goes back. */
  readonly deadlineMs: number;
  /** No row had a higher version at `newestAtMs`. */
  readonly newest: Version;
  readonly newestAtMs: number;
  /** The place of the table; undefined: it cannot be asked. */
  readonly database: string | undefined;
  readonly signal: AbortSignal;
}

/** Between two looks at a partition that others have to finish. */
const PAUSE_MS = 20;
/** SQLSTATE of a wait that reached lock_timeout. */
const LOCK_TIMEOUT = '55P03';

/**
 * Brings one partition to its target, from wherever it is: {@link nextStep} says how. Each step may be repeated, by
 * anybody, so a process that ends in the middle leaves nothing that the next one cannot finish.
 *
 * @throws RedisError, PostgresError, AbortError: the partition stays where it is, and saves may be refused until it is
 *   moved on
 */
export async function movePartition(deps: MoveDeps, partition: number, options: MoveOptions): Promise<Move> {
  const { redis, keyspace, scripts, queries, now, sync } = deps;
  const { actor, deadlineMs, database, signal } = options;
  let { target } = options;
  let obstacle: Obstacle | undefined;
  let closedAtMs: number | undefined;
  let closedMs = 0;
  const isLate = (): boolean => closedAtMs !== undefined && now() - closedAtMs > deadlineMs;
  const giveUp = (because: Obstacle): void => {
    obstacle ??= because;
    target = target === 'direct' ? 'redis' : 'direct';
  };

  for (;;) {
    signal.throwIfAborted();
    // Before PostgreSQL is read: one who sleeps after that installs nothing.
    const { epoch, copied } = await lookAtRedis();
    const stored = await lookAtPostgres();
    const isOpen = stored.mode === 'direct' || stored.mode === 'redis';
    if (!isOpen) closedAtMs ??= now();
    const next = nextStep(stored, copied, target);
    if (next.step === 'done') {
      if (closedAtMs !== undefined) closedMs = now() - closedAtMs;
      return { partition, outcome: obstacle ? 'aborted' : 'moved', obstacle, closedMs: Math.round(closedMs) };
    }
    const wait = await take(next, stored, epoch);
    if (wait !== undefined && isLate() && obstacle === undefined) giveUp(wait);
    else if (wait !== undefined) await delay(PAUSE_MS, undefined, { signal });
  }

  /** Undefined: it is taken. Else what it waits for. */
  async function take(
    step: Exclude<Step, { step: 'done' }>,
    stored: PartitionMode,
    epoch: Epoch,
  ): Promise<Obstacle | undefined> {
    switch (step.step) {
      case 'install': {
        const { mode, term, period, floor } = stored;
        const reply = await scripts.install(partition, { mode, term, period, floor, epoch });
        // Nothing that is left in Redis may count when its time begins anew.
        const isLeft = mode === 'to_redis' && reply.dirtySessions > 0;
        if (isLeft && obstacle === undefined) giveUp('leftover');
        return undefined;
      }
      case 'seal':
        return obstacleToSeal(stored);
      case 'change':
        return change(step, stored);
    }
  }

  /** Undefined: it is sealed. A seal that is there is checked again: sessions may have become dirty since. */
  async function obstacleToSeal({ term }: PartitionMode): Promise<Obstacle | undefined> {
    // Redis forgot where it was synced to, or PostgreSQL is another one: a consumer syncs everything again first.
    if (database !== undefined && (await placeInRedis()) !== database) return 'database';
    const { outcome } = await scripts.seal(partition, { term });
    if (outcome === 'sealed') return undefined;
    if (outcome === 'parked' && obstacle === undefined) giveUp('parked');
    if (outcome === 'dirty') await sync();
    // Of `moved` the next look says where to.
    return outcome === 'parked' ? 'parked' : 'dirty';
  }

  async function change(
    { to, beginsPeriod, raisesFloor }: Extract<Step, { step: 'change' }>,
    stored: PartitionMode,
  ): Promise<Obstacle | undefined> {
    // Before it is closed: nobody waits for what cannot be sealed.
    if (to === 'to_direct' && (await inRedis(redis.hlen(keyspace.parked(partition)))) > 0) {
      giveUp('parked');
      return undefined;
    }
    if (to === 'direct' && stored.mode === 'to_direct') {
      const inTheWay = await obstacleToSeal(stored);
      if (inTheWay !== undefined) return inTheWay;
    }
    const floor = raisesFloor ? await highest() : undefined;
    try {
      await queries.changeMode(stored, { to, beginsPeriod, floor, actor });
      return undefined;
    } catch (error) {
      const failure = PostgresError.from(error);
      if (failure.failure.code !== LOCK_TIMEOUT) throw failure;
      closedAtMs ??= now();
      return 'locked';
    }
  }

  /** Above every version that either store has issued in the partition. */
  async function highest(): Promise<Version> {
    // A session is not saved twice in a microsecond.
    const ofRows = BigInt(options.newest) + BigInt(Math.ceil((now() - options.newestAtMs) * 1000));
    const held = await inRedis(redis.hget(keyspace.meta(partition), 'floor'));
    const ofRedis = /^\d+$/.test(held ?? '') ? BigInt(held ?? 0) : 0n;
    return String(ofRows > ofRedis ? ofRows : ofRedis);
  }

  async function lookAtRedis(): Promise<{ epoch: Epoch; copied: StoredMode | undefined }> {
    const call = { floor: '0', createGroup: false, isOfRollout: true };
    const opened = await scripts.openPartition(partition, call);
    return opened.outcome === 'mismatch'
      ? { epoch: '', copied: undefined }
      : { epoch: opened.epoch, copied: opened.mode };
  }

  async function lookAtPostgres(): Promise<PartitionMode> {
    const stored = (await asked(queries.readModes())).find((one) => one.partition === partition);
    if (!stored) throw new Error(`Partition ${partition} has no writer mode.`);
    return stored;
  }

  async function placeInRedis(): Promise<string | null> {
    return inRedis(redis.hget(keyspace.meta(0), 'database'));
  }
}

async function inRedis<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw RedisError.from(error, 'rollout');
  }
}
