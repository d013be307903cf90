import { fromRow, isLeftover, leftoverWins, resolvedLeftover } from './consumers.ts';
import { askRedis, readRedis, recover, resync } from './losses.ts';
import type { Bounds, Postgres, State } from './state.ts';
import {
  idleConsumer,
  idleInstaller,
  isDirectMode,
  isOpen,
  isServing,
  noLease,
  noLoad,
  noRecovery,
  noSalvage,
} from './state.ts';
import { floorOfPeriod, install } from './switches.ts';
import type { Weakness } from './weakness.ts';

/** What must hold in every state. */
export function violationOf(state: State): string | undefined {
  const { postgres, redis, acknowledged, isVerified } = state;
  if (postgres.mode === 'direct' && isVerified && isOpen(state) && state.forcedTerm === 0)
    return 'TWO_WRITERS';
  if (isDirectMode(postgres.mode) && isVerified && postgres.row.save < acknowledged) return 'LOST';
  if (Math.max(postgres.row.save, redis.session?.save ?? 0) < acknowledged) return 'LOST';
  return undefined;
}

/** Everybody who was under way dies, and no more faults come. */
export function quiet(state: State): State {
  const left: Bounds = {
    ...state.left,
    ...{ saves: 0, loads: 0, overlaps: 0, compareAndSets: 0, switches: 0, aborts: 0, forces: 0, installs: 0 },
    ...{ evictions: 0, redisLosses: 0, redisResets: 0, postgresLosses: 0 },
  };
  return {
    ...state,
    ...{
      replica: null,
      standby: null,
      loaded: null,
      sealSeenAt: 0,
      sealedFloor: 0,
      preparedSeenAt: 0,
      saves: 0,
    },
    ...{ recovery: noRecovery, salvage: noSalvage, loads: [noLoad, noLoad], newestVersion: 0 },
    redis: { ...state.redis, lease: noLease },
    consumers: state.consumers.map(() => idleConsumer),
    installers: state.installers.map(() => idleInstaller),
    left,
  };
}

/** Then what was begun is finished, the way goes forward once more, and the session is loaded once. */
export function violationAfterHealing(quietened: State, weakness: Weakness): string | undefined {
  let state = recovered(quietened, weakness);
  const follow = (): void => {
    state = { ...state, ...install(state, state.postgres, state.redis.epoch, weakness) };
  };
  const turn = (changes: Partial<Postgres>): void => {
    const { postgres } = state;
    state = { ...state, postgres: { ...postgres, ...changes, term: postgres.term + 1 } };
    follow();
  };
  const open = (): void =>
    turn({ mode: 'redis', period: state.postgres.term + 1, floor: floorOfPeriod(state, weakness) });
  if (state.redis.mode === 'void' && state.postgres.mode === 'to_direct')
    turn({ mode: 'redis', floor: floorOfPeriod(state, weakness) });
  else follow();
  const isBehind = state.redis.database !== state.database && !weakness.lossUnnoticed;
  if (isBehind && isServing(state)) state = resync(state, weakness);
  if (state.postgres.mode === 'to_direct') {
    state = carried(state, weakness);
    turn({ mode: 'direct', floor: Math.max(state.postgres.floor, state.redis.floor) });
  }
  if (state.postgres.mode === 'to_redis') open();
  if (state.redis.mode !== state.postgres.mode) return 'STUCK';
  if (state.postgres.mode === 'direct') {
    state = salvaged(state);
    if (state.postgres.row.save < state.acknowledged) return 'LOST_AT_REST';
    turn({ mode: 'to_redis' });
    open();
  }
  if (loadedSave(state, weakness) < state.acknowledged) return 'STALE_AT_REST';
  state = carried(state, weakness);
  return state.postgres.row.save < state.acknowledged ? 'LOST_AT_REST' : undefined;
}

function recovered(state: State, weakness: Weakness): State {
  if (state.isVerified) return state;
  // A Redis that lost its tail as well: an operator accepts what it says.
  return recover(readRedis(askRedis(state, weakness)), weakness);
}

function carried(state: State, weakness: Weakness): State {
  const { postgres, redis } = state;
  const { row, forcedFloor } = postgres;
  const resolved = isLeftover(redis, weakness) ? resolvedLeftover(state, row, forcedFloor) : redis;
  const { session } = resolved;
  if (!session?.isDirty) return { ...state, redis: resolved };
  const { save, version, savedIn } = session;
  const winsOver = savedIn >= redis.serverEpoch ? redis.seeded : 0;
  if (version < row.version && row.version > winsOver)
    return { ...state, redis: { ...resolved, session: fromRow(row) } };
  // Below its row it is reissued first.
  const written = { save, version: Math.max(version, row.version + (version < row.version ? 1 : 0)) };
  const clean = { ...session, ...written, isDirty: false };
  return { ...state, redis: { ...resolved, session: clean }, postgres: { ...postgres, row: written } };
}

function salvaged(state: State): State {
  const { redis, postgres } = state;
  const { session } = redis;
  if (!session?.isDirty) return state;
  const { save, version } = session;
  const wins = leftoverWins(version, postgres.row, postgres.forcedFloor);
  const row = wins ? { save, version } : postgres.row;
  return { ...state, postgres: { ...postgres, row }, redis: { ...redis, session: null } };
}

/** What a load gives. */
function loadedSave({ redis, postgres }: State, weakness: Weakness): number {
  const { session, epoch } = redis;
  const { row, forcedFloor } = postgres;
  if (!session) return row.save;
  if (isLeftover(redis, weakness))
    return leftoverWins(session.version, row, forcedFloor) ? session.save : row.save;
  if (session.savedIn === epoch || session.confirmedIn === epoch) return session.save;
  const isSavedSince = session.isDirty && session.savedIn >= redis.serverEpoch && row.version <= redis.seeded;
  return row.version <= session.version || isSavedSince ? session.save : row.save;
}
