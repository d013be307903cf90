import type { Consumer, Installer, Load, Postgres, Redis, State } from './state.ts';

const MODES = { direct: 0, to_redis: 1, redis: 2, to_direct: 3, sealed: 4, void: 5 } as const;
const CONSUMERS = {
  ...{ idle: 0, taken: 1, outdated: 2, compared: 3, done: 4, leftover: 5, 'leftover compared': 6 },
} as const;
const INSTALLERS = { idle: 0, saw: 1, read: 2 } as const;
const LOADS = {
  ...{ idle: 0, 'at Redis': 1, 'at PostgreSQL': 2, 'at Redis again': 3, missed: 4, leased: 5, fetched: 6 },
  ...{ doubted: 7, compared: 8 },
} as const;
const RECOVERIES = { idle: 0, asked: 1, read: 2 } as const;
const SALVAGES = { idle: 0, read: 1, written: 2, lost: 3 } as const;

/** One character a number: millions of states are held by these texts. */
export function encode(state: State): string {
  const { replica, standby, recovery, salvage, loaded, left } = state;
  const codes: number[] = [];
  addPostgres(codes, state.postgres);
  addRedis(codes, state.redis);
  codes.push(state.redisClock, state.postgresClock, state.database, bit(state.isVerified));
  codes.push(bit(replica !== null), bit(standby !== null));
  if (replica) addRedis(codes, replica);
  if (standby) addPostgres(codes, standby);
  addLoad(codes, state.loads[0]);
  addLoad(codes, state.loads[1]);
  codes.push(RECOVERIES[recovery.phase], SALVAGES[salvage.phase]);
  if (recovery.phase !== 'idle') {
    const { mode, term, period, floor, database, held, isDirty } = recovery;
    codes.push(MODES[mode], term, period, floor, database, held.save, held.version, bit(isDirty));
  }
  if (salvage.phase !== 'idle') {
    const { held, row, epoch } = salvage;
    codes.push(held.save, held.version, row.save, row.version, epoch);
  }
  codes.push(
    state.sealSeenAt,
    state.sealedFloor,
    state.preparedSeenAt,
    state.saves,
    state.lastEpoch,
    state.acknowledged,
  );
  codes.push(state.newestVersion, state.forcedTerm, maskOf(state.atRisk), bit(loaded !== null));
  if (loaded) codes.push(loaded.save, loaded.version, loaded.epoch, loaded.lease.token, loaded.lease.epoch);
  codes.push(left.saves, left.loads, left.overlaps, left.switches, left.aborts, left.forces, left.installs);
  codes.push(left.evictions, left.redisLosses, left.redisResets, left.postgresLosses);
  return text(codes) + alike(state.consumers, ofConsumer) + alike(state.installers, ofInstaller);
}

const text = (codes: number[]): string => String.fromCharCode(...codes);
const bit = (value: boolean): number => (value ? 1 : 0);
const maskOf = (saves: readonly number[]): number => saves.reduce((mask, save) => mask + 2 ** save, 0);

function addPostgres(codes: number[], { mode, term, period, floor, forcedFloor, row }: Postgres): void {
  codes.push(MODES[mode], term, period, floor, forcedFloor, row.save, row.version);
}

function addRedis(codes: number[], redis: Redis): void {
  const { session, lease } = redis;
  codes.push(MODES[redis.mode], redis.term, redis.period, redis.periodEpoch, redis.epoch, redis.serverEpoch);
  codes.push(redis.floor, redis.seeded, redis.database, lease.token, lease.epoch, bit(session !== null));
  if (!session) return;
  codes.push(session.save, session.version, bit(session.isDirty), session.savedIn, session.confirmedIn);
}

function addLoad(codes: number[], load: Load): void {
  codes.push(LOADS[load.phase]);
  if (load.phase === 'idle') return;
  const { held, row, lease } = load;
  codes.push(load.floor, bit(load.isExempt), load.sealedAt, load.term, load.epoch, load.forcedFloor);
  codes.push(held.save, held.version, row.save, row.version, lease.token, lease.epoch);
}

/** Which of the two it is makes no difference. */
const alike = <One>(ones: readonly One[], encoded: (one: One) => string): string =>
  ones.length === 1 ? encoded(ones[0] as One) : ones.map(encoded).sort().join('');

function ofConsumer({ phase, save, version, period, winsOver, row, forcedFloor }: Consumer): string {
  if (phase === 'idle') return '\0';
  return text([CONSUMERS[phase], save, version, period, winsOver, row.save, row.version, forcedFloor]);
}

function ofInstaller({ phase, epoch, mode, term, period, floor }: Installer): string {
  if (phase === 'idle') return '\0';
  return text([INSTALLERS[phase], epoch, MODES[mode], term, period, floor]);
}
