import { leftoverWins } from './consumers.ts';
import type { Load, Mode, Postgres, Recovery, Redis, State, Step } from './state.ts';
import {
  GAP,
  idleConsumer,
  isDirectMode,
  isServing,
  noLease,
  noLoad,
  noRecovery,
  noRow,
  spend,
  TERMS_LOST,
} from './state.ts';
import type { Weakness } from './weakness.ts';

export function faultSteps(state: State, weakness: Weakness): Step[] {
  const { redis, replica, standby, postgres, left } = state;
  const found: Step[] = [];
  const isSynced = state.isVerified && redis.database === state.database;
  // A clean session that leaves before PostgreSQL got it back is not modelled.
  if (left.evictions > 0 && redis.session && !redis.session.isDirty && isSynced)
    found.push({
      name: 'evict or expire',
      next: { ...state, redis: { ...redis, session: null }, left: spend(left, 'evictions') },
    });
  if (left.redisLosses > 0 && !replica && redis.mode !== 'void')
    found.push({ name: 'replica falls behind', next: { ...state, replica: redis } });
  if (left.redisLosses > 0 && replica) {
    const lost = { ...state, replica: null, left: spend(left, 'redisLosses') };
    found.push({ name: 'REDIS LOSES ITS TAIL', next: afterLoss(openPartition(lost, replica, weakness)) });
  }
  if (left.redisResets > 0) {
    const lost = { ...state, redisClock: RESET_CLOCK, newestVersion: 0, left: spend(left, 'redisResets') };
    const next = afterLoss(openPartition(lost, emptyRedis, weakness));
    // A version the gap does not cover is above those of saves after the loss: then nothing may be under way.
    const isGapTooNarrow = state.redisClock > RESET_CLOCK + GAP;
    const nobody = { consumers: state.consumers.map(() => idleConsumer), loads: [noLoad, noLoad] } as const;
    found.push({ name: 'REDIS LOSES ALL', next: isGapTooNarrow ? { ...next, ...nobody } : next });
  }
  if (left.postgresLosses > 0) {
    if (!standby) found.push({ name: 'standby falls behind', next: { ...state, standby: postgres } });
    else found.push({ name: 'POSTGRESQL LOSES ITS TAIL', next: postgresLoses(state, standby, weakness) });
  }
  return found;
}

/** Of a server whose clock is behind that of the one before. */
const RESET_CLOCK = 3;
const emptyRedis: Redis = {
  ...{ mode: 'redis', term: 0, period: 0, periodEpoch: 0, epoch: 0, serverEpoch: 0, floor: 0, seeded: 0 },
  ...{ database: 0, session: null, lease: noLease },
};

// open-partition.lua, before anybody is answered by the new server. Called by a process of the rollout.
function openPartition(state: State, found: Redis, weakness: Weakness): State {
  const epoch = state.lastEpoch + 1;
  const isReset = found.epoch === 0;
  const isPlain = found.term === 0;
  const keepsMode = weakness.modeSurvivesLoss || (weakness.absentModeIsOpen && isPlain);
  const redis: Redis = {
    ...found,
    ...{ mode: keepsMode ? found.mode : 'void', epoch, serverEpoch: epoch },
    floor: Math.max(found.floor, state.redisClock) + GAP,
    seeded: isReset ? state.postgres.row.version : found.seeded,
  };
  return { ...state, redis, lastEpoch: epoch };
}

function postgresLoses(state: State, standby: Postgres, weakness: Weakness): State {
  // A settle of what PostgreSQL lost: the second resync finds it (failover-model).
  const consumers = state.consumers.map((one) =>
    one.phase === 'idle' || one.phase === 'taken' ? one : idleConsumer,
  );
  return afterLoss({
    ...state,
    ...{ postgres: standby, standby: null, consumers, database: state.database + 1 },
    // That of the new primary may be behind.
    postgresClock: Math.max(1, state.postgresClock - 5),
    isVerified: Boolean(weakness.lossUnnoticed),
    left: spend(state.left, 'postgresLosses'),
  });
}

/** What neither store has any more is lost, and expected of nobody. */
function afterLoss(state: State): State {
  const { redis, postgres, atRisk } = state;
  const held = [postgres.row, redis.session ?? noRow];
  const isThere = held.some(({ save }) => save === state.acknowledged);
  const expected = held.filter(({ save }) => !atRisk.includes(save));
  const newest = Math.max(0, ...expected.map(({ save }) => save));
  const acknowledged = isThere ? state.acknowledged : Math.min(state.acknowledged, newest);
  const bounded = (load: Load): Load => ({ ...load, floor: Math.min(load.floor, acknowledged) });
  const { loaded } = state;
  const isReset = state.newestVersion === 0;
  return {
    ...state,
    acknowledged,
    newestVersion: isReset ? 0 : Math.max(0, ...expected.map(({ version }) => version)),
    loads: [bounded(state.loads[0]), bounded(state.loads[1])],
    loaded: loaded && { ...loaded, save: Math.min(loaded.save, acknowledged) },
  };
}

/** While PostgreSQL is another one than `session_rollout` names, it gives no permission. */
export function recoverySteps(state: State, weakness: Weakness): Step[] {
  const { recovery, redis, database } = state;
  if (state.isVerified) return recovery.phase === 'idle' ? [] : [forget(state)];
  switch (recovery.phase) {
    case 'idle':
      if (redis.mode === 'void') return [];
      return [{ name: 'recovery: ask Redis, begin an epoch', next: askRedis(state, weakness) }];
    case 'asked': {
      if (recovery.database !== database) return [forget(state)];
      if (!writesBack(state)) return [{ name: 'recovery: tell PostgreSQL', next: recover(state, weakness) }];
      return [{ name: 'recovery: read what Redis has', next: readRedis(state) }];
    }
    case 'read':
      if (recovery.database !== database) return [forget(state)];
      return [{ name: 'recovery: write back, tell PostgreSQL', next: recover(state, weakness) }];
  }
}

const forget = (state: State): Step => ({
  name: 'recovery: another one was first',
  next: { ...state, recovery: noRecovery },
});

/** The mode of the higher term. */
function modeAfter({ recovery, postgres }: State): Pick<Postgres, 'mode' | 'period'> {
  if (recovery.term <= postgres.term) return postgres;
  const { mode, period } = recovery;
  return { mode, period: isDirectMode(mode) ? postgres.period : period };
}

/** In the direct modes nobody carries what PostgreSQL lost: it goes back before anybody may write. */
const writesBack = (state: State): boolean => isDirectMode(modeAfter(state).mode);

export function askRedis(state: State, weakness: Weakness): State {
  const { redis } = state;
  const epoch = weakness.recoveryKeepsEpoch ? redis.epoch : state.lastEpoch + 1;
  const { mode, term, period, floor } = redis;
  const recovery: Recovery = {
    ...{ ...noRecovery, phase: 'asked', mode: postgresModeOf(mode), term, period, floor },
    database: state.database,
  };
  return { ...state, redis: { ...redis, epoch }, lastEpoch: Math.max(epoch, state.lastEpoch), recovery };
}

const postgresModeOf = (mode: Redis['mode']): Mode =>
  mode === 'sealed' ? 'to_direct' : mode === 'void' ? 'redis' : mode;

export function readRedis(state: State): State {
  const { session } = state.redis;
  const held = session ? { save: session.save, version: session.version } : noRow;
  return {
    ...state,
    recovery: { ...state.recovery, phase: 'read', held, isDirty: Boolean(session?.isDirty) },
  };
}

export function recover(state: State, weakness: Weakness): State {
  const { recovery, postgres, postgresClock, redis, database } = state;
  const { mode, period } = modeAfter(state);
  const { row, forcedFloor } = postgres;
  const { held, isDirty } = recovery;
  const isDirect = writesBack(state);
  const wins = held.version > row.version && (!isDirty || leftoverWins(held.version, row, forcedFloor));
  const gap = weakness.noGapAfterRecovery ? 0 : GAP;
  return {
    ...state,
    isVerified: true,
    recovery: noRecovery,
    postgres: {
      ...{ mode, period, forcedFloor },
      term: Math.max(postgres.term, recovery.term) + (weakness.recoveryKeepsTerm ? 0 : TERMS_LOST),
      floor: Math.max(postgres.floor, row.version, recovery.floor, postgresClock) + gap,
      row: isDirect && wins && !weakness.recoveryForgetsRedis ? held : row,
    },
    redis: isDirect ? { ...redis, database } : redis,
  };
}

// watch-database.ts, resync.lua
export function resyncSteps(state: State, weakness: Weakness): Step[] {
  const isNeeded = state.isVerified && state.redis.database !== state.database && isServing(state);
  if (!isNeeded || weakness.lossUnnoticed) return [];
  return [{ name: 'resync', next: resync(state, weakness) }];
}

export function resync(state: State, weakness: Weakness): State {
  const { redis, database } = state;
  const { session } = redis;
  const isAnnounced = session && !session.isDirty && !weakness.recoveryForgetsRedis;
  const announced = isAnnounced ? { ...session, isDirty: true, confirmedIn: 0 } : session;
  return { ...state, redis: { ...redis, session: announced, database } };
}
