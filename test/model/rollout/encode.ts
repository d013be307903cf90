import type { Consumer, Installer, Lease, Load, Postgres, Redis, Row, State } from './state.ts';

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
  const { redis, replica, standby, recovery, salvage, loaded, left } = state;
  const codes: number[] = [];
  const add = (...numbers: number[]): void => {
    for (const one of numbers) codes.push(one);
  };
  const addRow = ({ save, version }: Row): void => add(save, version);
  const addLease = ({ token, epoch }: Lease): void => add(token, epoch);
  const addPostgres = (one: Postgres): void => {
    add(MODES[one.mode], one.term, one.period, one.floor, one.forcedFloor);
    addRow(one.row);
  };
  const addRedis = (one: Redis): void => {
    add(MODES[one.mode], one.term, one.period, one.periodEpoch, one.epoch, one.serverEpoch);
    add(one.floor, one.seeded, one.database);
    addLease(one.lease);
    const { session } = one;
    if (!session) {
      add(0);
      return;
    }
    addRow(session);
    add(session.isDirty ? 1 : 2, session.savedIn, session.confirmedIn);
  };
  const addLoad = (one: Load): void => {
    add(LOADS[one.phase]);
    if (one.phase === 'idle') return;
    add(one.floor, one.isExempt ? 1 : 0, one.sealedAt, one.term, one.epoch, one.forcedFloor);
    addRow(one.held);
    addRow(one.row);
    addLease(one.lease);
  };
  addPostgres(state.postgres);
  addRedis(redis);
  add(state.redisClock, state.postgresClock, state.database, state.isVerified ? 1 : 0);
  if (replica) addRedis(replica);
  else add(7);
  if (standby) addPostgres(standby);
  else add(7);
  addLoad(state.loads[0]);
  addLoad(state.loads[1]);
  add(RECOVERIES[recovery.phase]);
  if (recovery.phase !== 'idle') {
    add(MODES[recovery.mode], recovery.term, recovery.period, recovery.floor, recovery.database);
    addRow(recovery.held);
    add(recovery.isDirty ? 1 : 0);
  }
  add(SALVAGES[salvage.phase]);
  if (salvage.phase !== 'idle') {
    addRow(salvage.held);
    add(salvage.epoch);
  }
  add(state.sealSeenAt, state.preparedSeenAt, state.saves, state.lastEpoch);
  add(state.acknowledged, state.newestVersion, state.forcedTerm);
  add(state.atRisk.reduce((mask, save) => mask + 2 ** save, 0));
  if (loaded) {
    add(1, loaded.epoch);
    addRow(loaded);
    addLease(loaded.lease);
  } else add(0);
  add(left.saves, left.loads, left.overlaps, left.switches, left.aborts, left.forces, left.installs);
  add(left.evictions, left.redisLosses, left.redisResets, left.postgresLosses);
  return (
    String.fromCharCode(...codes) + alike(state.consumers, ofConsumer) + alike(state.installers, ofInstaller)
  );
}

/** Which of the two it is makes no difference. */
const alike = <One>(ones: readonly One[], encoded: (one: One) => string): string =>
  ones.length === 1 ? encoded(ones[0] as One) : ones.map(encoded).sort().join('');

function ofConsumer({ phase, save, version, period, winsOver, row, forcedFloor }: Consumer): string {
  if (phase === 'idle') return '\0';
  return String.fromCharCode(
    ...[CONSUMERS[phase], save, version, period, winsOver, row.save, row.version, forcedFloor],
  );
}

function ofInstaller({ phase, epoch, mode, term, period, floor }: Installer): string {
  if (phase === 'idle') return '\0';
  return String.fromCharCode(INSTALLERS[phase], epoch, MODES[mode], term, period, floor);
}
