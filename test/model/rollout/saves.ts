import { isDirectMode, isOpen, noLease, RESERVE, type Redis, type State, type Step, spend } from './state.ts';
import type { Weakness } from './weakness.ts';

/** Anybody may try either way at any time: every stale process is among them. */
export function saveSteps(state: State, weakness: Weakness): Step[] {
  const { left, loaded, postgres, redis } = state;
  if (left.saves === 0) return [];
  const found: Step[] = [];
  if ((postgres.mode === 'direct' && state.isVerified) || weakness.directSavesIgnoreMode) {
    const saved = directSave(state, weakness);
    found.push({ name: 'direct save', ...saved });
    if (loaded?.version === postgres.row.version)
      found.push(compareAndSet('direct compare-and-set', state, saved));
  }
  if (isOpen(state) || (weakness.redisSavesIgnoreMode && redis.mode !== 'void')) {
    const saved = redisSave(state);
    found.push({ name: 'save', ...saved });
    if (loaded && mayReplace(state, weakness)) found.push(compareAndSet('compare-and-set', state, saved));
  }
  return found;
}

interface Saved {
  readonly next: State;
  readonly violation: string | undefined;
}

function compareAndSet(name: string, state: State, { next, violation }: Saved): Step {
  const { loaded, acknowledged, forcedTerm } = state;
  const isOverAnother = loaded !== null && loaded.save < acknowledged && forcedTerm === 0;
  return {
    name,
    next: { ...next, loaded: null },
    violation: violation ?? (isOverAnother ? 'LOST_UPDATE' : undefined),
  };
}

// The condition of save.lua.
function mayReplace({ redis, loaded }: State, weakness: Weakness): boolean {
  const { session, epoch, lease } = redis;
  if (!loaded) return false;
  if (!session)
    return (
      loaded.version === 0 &&
      loaded.lease.token !== 0 &&
      loaded.lease.epoch === epoch &&
      loaded.lease.token === lease.token &&
      lease.epoch === epoch
    );
  const isTrusted = session.savedIn === epoch || session.confirmedIn === epoch || loaded.epoch === epoch;
  return session.version === loaded.version && (isTrusted || Boolean(weakness.casIgnoresEpoch));
}

// session_save_direct
function directSave(state: State, weakness: Weakness): Saved {
  const { postgres, postgresClock, newestVersion, forcedTerm } = state;
  const aboveFloor = weakness.noForcedFloor ? 0 : postgres.floor + 1;
  const version = Math.max(postgres.row.version + 1, postgresClock, aboveFloor);
  const save = state.saves + 1;
  const isReused = version <= newestVersion && forcedTerm === 0;
  const isSecondWriter = isOpen(state) && forcedTerm === 0;
  return {
    next: {
      ...state,
      postgres: { ...postgres, row: { save, version } },
      postgresClock: postgresClock + 1,
      saves: save,
      acknowledged: save,
      newestVersion: Math.max(version, newestVersion),
      left: spend(state.left, 'saves'),
    },
    violation: isSecondWriter ? 'TWO_WRITERS' : isReused ? 'VERSION_REUSED' : undefined,
  };
}

// save.lua
function redisSave(state: State): Saved {
  const { redis, redisClock, postgres, newestVersion, forcedTerm } = state;
  const version = nextVersion(redis, redisClock);
  const save = state.saves + 1;
  const next = {
    ...state,
    redis: {
      ...redis,
      session: { save, version, isDirty: true, savedIn: redis.epoch, confirmedIn: 0 },
      floor: version > redis.floor ? Math.max(version, redisClock + RESERVE) : redis.floor,
      lease: noLease,
    },
    redisClock: redisClock + 1,
    saves: save,
    left: spend(state.left, 'saves'),
  };
  // At risk, and reported as such.
  if (forcedTerm > 0 && isDirectMode(postgres.mode))
    return { next: { ...next, atRisk: [...state.atRisk, save] }, violation: undefined };
  const isSecondWriter = state.isVerified && isDirectMode(postgres.mode);
  const isReused = version <= newestVersion;
  return {
    next: { ...next, acknowledged: save, newestVersion: Math.max(version, newestVersion) },
    violation: isSecondWriter ? 'TWO_WRITERS' : isReused ? 'VERSION_REUSED' : undefined,
  };
}

function nextVersion({ session, epoch, floor }: Redis, clock: number): number {
  const knowsItsLast = session?.savedIn === epoch && floor <= clock + RESERVE;
  return Math.max(clock, (session?.version ?? 0) + 1, knowsItsLast ? 0 : floor + 1);
}
