import { expect, test } from 'vitest';
import { type Exploration, explore } from './explore.ts';
import type { Bounds as FailoverBounds, Weakness as FailoverWeakness } from './failover-model.ts';
import * as failoverModel from './failover-model.ts';
import type { Bounds as RolloutBounds } from './rollout/state.ts';
import type { Weakness as RolloutWeakness } from './rollout/weakness.ts';
import * as rolloutModel from './rollout-model.ts';
import type { Bounds as SessionBounds, Weakness as SessionWeakness } from './session-model.ts';
import * as sessionModel from './session-model.ts';

// The proof explores more of each model, and every weakness: *.slow.test.ts.

function exploreSession(scope: Partial<SessionBounds>, weakness: SessionWeakness = {}): Exploration {
  const faults = {
    ...{ evictions: 0, crashes: 0, clockSteps: 0, streamFaults: 0 },
    ...{ purges: 0, lostAnswers: 0, otherWrites: 0 },
  };
  return explore(sessionModel, { operations: 2, ...faults, ...scope }, weakness);
}

function exploreFailover(scope: Partial<FailoverBounds>, weakness: FailoverWeakness = {}): Exploration {
  const none = { overlaps: 0, evictions: 0, crashes: 0, clockJumps: 0, postgresLosses: 0 };
  const bounds = { ...none, saves: 2, loads: 1, redisLosses: 0, redisResets: 0, ...scope };
  return explore(failoverModel, bounds, weakness);
}

function exploreRollout(scope: Partial<RolloutBounds>, weakness: RolloutWeakness = {}): Exploration {
  const none: RolloutBounds = {
    ...{ start: 'redis', ahead: 'redis', consumers: 1, installers: 1, saves: 2, loads: 0, overlaps: 0 },
    ...{ compareAndSets: 0, switches: 0, aborts: 0, forces: 0, installs: 0 },
    ...{ evictions: 0, redisLosses: 0, redisResets: 0, postgresLosses: 0 },
  };
  return explore(rolloutModel, { ...none, ...scope }, weakness);
}

test.each([
  { evictions: 1 },
  { crashes: 1 },
  { streamFaults: 1 },
  { clockSteps: 1 },
  { otherWrites: 1 },
  { operations: 1, evictions: 1, lostAnswers: 1 },
])('no interleaving of a few operations breaks P1 to P6 or P8: %o', (scope) => {
  const { states, violation } = exploreSession(scope);
  expect(violation).toBeUndefined();
  expect(states).toBeGreaterThan(500);
});

test.each([{ saves: 1, redisLosses: 1 }, { saves: 1, redisResets: 1 }, { postgresLosses: 1 }])(
  'no loss takes what the other store has, nor what is saved after it: %o',
  (scope) => {
    const { states, violation } = exploreFailover(scope);
    expect(violation).toBeUndefined();
    expect(states).toBeGreaterThan(500);
  },
);

test.each<Partial<RolloutBounds>>([
  { start: 'direct', switches: 4, installs: 4, loads: 1 },
  { start: 'direct', saves: 1, switches: 3, aborts: 1, installs: 3, loads: 1 },
  { start: 'direct', switches: 2, installs: 2, loads: 2, compareAndSets: 1, evictions: 1 },
  { start: 'plain', saves: 1, switches: 2, installs: 2, loads: 1, redisLosses: 1 },
  { saves: 1, switches: 2, aborts: 1, installs: 2, postgresLosses: 1 },
  { switches: 1, forces: 1, installs: 2, loads: 1 },
])('no save is lost, and none is read stale, on the way to Redis and back: %o', (scope) => {
  for (const ahead of ['redis', 'postgres'] as const) {
    const { states, violation } = exploreRollout({ ...scope, ahead });
    expect(violation).toBeUndefined();
    expect(states).toBeGreaterThan(500);
  }
});

test('without its safeguard the protocol breaks: the exploration can tell', () => {
  expect(exploreSession({}, { noVersionGuard: true }).violation?.name).toBe('ROW_WENT_BACK');
  expect(exploreSession({ evictions: 1 }, { noLease: true }).violation?.name).toBe('STALE_HIT');
  expect(exploreSession({ crashes: 1 }, { ackFirst: true }).violation?.name).toBe('NEVER_SYNCED');
  expect(exploreFailover({ redisLosses: 1 }, { noAdopt: true }).violation?.name).toBe('NEVER_SYNCED');
  expect(exploreFailover({ postgresLosses: 1 }, { noResync: true }).violation?.name).toBe(
    'ROW_IS_NOT_THE_NEWEST',
  );
  const back = { switches: 2, installs: 1, loads: 1 };
  expect(exploreRollout(back, { sealLeavesLoadsOpen: true }).violation?.name).toBe('STALE_LOAD');
  const once = { ...back, saves: 1, redisLosses: 1 };
  expect(exploreRollout(once, { modeSurvivesLoss: true }).violation?.name).toBe('TWO_WRITERS');
  const forced = { saves: 4, forces: 1, loads: 1 };
  expect(exploreRollout(forced, { upsertsIgnoreMode: true }).violation?.name).toBe('LOST');
});
