import type { Installer, Postgres, State, Step } from './state.ts';
import { FORCED_GAP, GAP, idleInstaller, replaced, spend } from './state.ts';
import type { Weakness } from './weakness.ts';

/** PostgreSQL's mode changes by compare-and-set on the term, so it does not matter who does it, or how late. */
export function switchSteps(state: State, weakness: Weakness): Step[] {
  const { postgres, left } = state;
  const { mode, term } = postgres;
  if (!state.isVerified) return [];
  const found: Step[] = [];
  const turn = (
    bound: 'switches' | 'aborts' | 'forces',
    to: Partial<Postgres> & Pick<Postgres, 'mode'>,
    changes: Partial<State> = {},
    name = `PostgreSQL: ${mode} to ${to.mode}`,
  ): void => {
    if (left[bound] === 0) return;
    const next = { ...state, postgres: { ...postgres, term: term + 1, ...to }, left: spend(left, bound) };
    found.push({ name, next: { ...next, ...changes } });
  };
  const begun = { mode: 'redis', period: term + 1, floor: floorOfPeriod(state, weakness) } as const;
  switch (mode) {
    case 'direct':
      if (weakness.oneStepForward) turn('switches', begun);
      else turn('switches', { mode: 'to_redis' });
      if (weakness.redisOpensFirst && left.switches > 0) found.push(redisOpens(state));
      break;
    case 'to_redis':
      if (state.preparedSeenAt === term || weakness.preparationNotAwaited) turn('switches', begun);
      turn('aborts', { mode: 'direct' });
      break;
    case 'redis':
      turn('switches', { mode: 'to_direct' });
      if (weakness.directOpensFirst || (weakness.lateEvidenceCounts && state.sealSeenAt > 0))
        turn('switches', { mode: 'direct' });
      if (weakness.oneStepForward) turn('aborts', { mode: 'direct' });
      break;
    case 'to_direct': {
      const isSealed = weakness.lateEvidenceCounts ? state.sealSeenAt > 0 : state.sealSeenAt === term;
      // Redis may have lost versions up to its floor: they are not issued again here.
      const floor = Math.max(postgres.floor, weakness.sealedFloorIgnored ? 0 : state.sealedFloor);
      if (isSealed || weakness.drainNotAwaited) turn('switches', { mode: 'direct', floor });
      turn('aborts', { mode: 'redis', floor: floorOfPeriod(state, weakness) });
      break;
    }
  }
  if (mode === 'redis' || mode === 'to_direct') {
    const { floor, forcedFloor } = forcedFloors(state, weakness);
    const { acknowledged, atRisk, loads } = state;
    const known = Math.min(acknowledged, postgres.row.save);
    const [load0, load1] = loads;
    const bounded = <One extends { readonly floor: number }>(one: One): One => ({
      ...one,
      floor: Math.min(one.floor, known),
    });
    turn(
      'forces',
      { mode: 'direct', floor, forcedFloor },
      {
        forcedTerm: term + 1,
        acknowledged: known,
        atRisk: acknowledged > known ? [...atRisk, acknowledged] : atRisk,
        loads: [bounded(load0), bounded(load1)],
      },
      'PostgreSQL: forced to direct',
    );
  }
  return found;
}

/** Above every row there is, and above the clock by which they were written. */
const newestOf = ({ postgres, postgresClock }: State): number =>
  Math.max(postgres.floor, postgres.row.version, postgresClock);

export const floorOfPeriod = (state: State, weakness: Weakness): number =>
  weakness.noFloor ? state.postgres.floor : newestOf(state);

function forcedFloors(state: State, weakness: Weakness): Pick<Postgres, 'floor' | 'forcedFloor'> {
  if (weakness.noForcedFloor) return state.postgres;
  const floor = newestOf(state) + FORCED_GAP;
  return { floor, forcedFloor: floor };
}

function redisOpens(state: State): Step {
  const epoch = state.lastEpoch + 1;
  const floor = Math.max(state.redis.floor, state.postgres.row.version);
  const redis = { ...state.redis, mode: 'redis', epoch, floor } as const;
  return {
    name: 'Redis opens first',
    next: { ...state, redis, lastEpoch: epoch, left: spend(state.left, 'switches') },
  };
}

/** What a switch rests on: Redis closed for saves with nothing left to carry, seen in exactly this term. */
export function evidenceSteps(state: State, weakness: Weakness): Step[] {
  const { redis } = state;
  const { mode, term, session } = redis;
  const isDirty = Boolean(session?.isDirty);
  const found: Step[] = [];
  const isSynced = redis.database === state.database || weakness.sealIgnoresDatabase;
  if (mode === 'to_direct' && isSynced && (!isDirty || weakness.sealIgnoresDirty)) {
    // seal
    const sealed = weakness.sealLeavesLoadsOpen ? redis : { ...redis, mode: 'sealed' as const };
    found.push({
      name: 'seal',
      next: { ...state, redis: sealed, sealSeenAt: term, sealedFloor: redis.floor },
    });
  }
  if (mode === 'to_redis' && state.preparedSeenAt !== term && !isDirty)
    found.push({ name: 'see that Redis is prepared', next: { ...state, preparedSeenAt: term } });
  return found;
}

/** The consumer, a bot or an operator: sees Redis, reads PostgreSQL, and brings its mode to Redis. */
export function installSteps(state: State, index: number, weakness: Weakness): Step[] {
  const installer = state.installers[index] as Installer;
  const { redis, postgres, left } = state;
  const become = (name: string, next: Installer, changes: Partial<State> = {}): Step[] => [
    { name, next: { ...state, ...changes, installers: replaced(state.installers, index, next) } },
  ];
  switch (installer.phase) {
    case 'idle': {
      const isBehind = redis.mode === 'void' || redis.term < postgres.term || !state.isVerified;
      if (left.installs === 0 || !isBehind) return [];
      const saw: Installer = { ...idleInstaller, phase: 'saw', epoch: redis.epoch };
      return become('install: see the epoch', saw, { left: spend(left, 'installs') });
    }
    case 'saw': {
      if (!state.isVerified) return become('install: not verified', idleInstaller);
      const { mode, term, period, floor } = postgres;
      return become('install: read PostgreSQL', { ...installer, phase: 'read', mode, term, period, floor });
    }
    case 'read': {
      const { epoch, mode } = installer;
      const installed = install(state, installer, epoch, weakness);
      return become(`install ${mode}`, idleInstaller, installed ?? {});
    }
  }
}

/** The script: nothing if it refuses. */
export function install(
  state: State,
  given: Pick<Postgres, 'mode' | 'term' | 'period' | 'floor'>,
  seenEpoch: number,
  weakness: Weakness,
): Pick<State, 'redis' | 'lastEpoch' | 'forcedTerm'> | undefined {
  const { redis, lastEpoch } = state;
  const { mode, term, period } = given;
  if (redis.epoch !== seenEpoch && !weakness.installIgnoresEpoch) return undefined;
  const isNewTerm = term > redis.term;
  const isVoid = redis.mode === 'void';
  if (!isNewTerm && !(isVoid && term === redis.term) && !weakness.installIgnoresTerm) return undefined;
  // It may have been sealed in this term, and have lost that: then PostgreSQL may open at any moment.
  if (isVoid && mode === 'to_direct' && !weakness.voidTakesToDirect) return undefined;
  const forcedTerm = term >= state.forcedTerm ? 0 : state.forcedTerm;
  const told = { ...redis, mode, term };
  if (mode !== 'redis') return { redis: told, lastEpoch, forcedTerm };
  const isNewPeriod = period !== redis.period;
  const begins = isNewTerm && !weakness.noEpochOfPeriod;
  const epoch = begins ? lastEpoch + 1 : redis.epoch;
  const gap = isVoid && !weakness.noGapOverFloor ? GAP : 0;
  return {
    redis: {
      ...told,
      ...{ epoch, period, periodEpoch: isNewPeriod ? epoch : redis.periodEpoch },
      floor: weakness.noFloor ? redis.floor : Math.max(redis.floor, given.floor + gap),
      seeded: isNewPeriod && weakness.installClearsSeeded ? 0 : redis.seeded,
    },
    lastEpoch: begins ? epoch : lastEpoch,
    forcedTerm,
  };
}
