import { expect, test } from 'vitest';
import { type Exploration, explore } from './explore.ts';
import type { Bounds } from './rollout/state.ts';
import type { Weakness } from './rollout/weakness.ts';
import * as rolloutModel from './rollout-model.ts';

const none: Bounds = {
  ...{ start: 'redis', ahead: 'redis', consumers: 1, installers: 1 },
  ...{ saves: 2, loads: 0, overlaps: 0, compareAndSets: 0, switches: 0, aborts: 0, forces: 0, installs: 0 },
  ...{ evictions: 0, redisLosses: 0, redisResets: 0, postgresLosses: 0 },
};
const direct = { start: 'direct' } as const;
const plain = { start: 'plain' } as const;

const scopes: Partial<Bounds>[] = [
  { ...direct, saves: 3, switches: 6, installs: 5, loads: 1 },
  { ...direct, switches: 6, aborts: 1, installs: 5, loads: 1, evictions: 1 },
  { ...direct, saves: 3, switches: 4, aborts: 2, installs: 5, consumers: 2 },
  { ...direct, switches: 4, installs: 4, loads: 2, overlaps: 1, evictions: 1 },
  { ...direct, saves: 3, switches: 4, installs: 4, loads: 2, compareAndSets: 1, evictions: 1 },
  { saves: 3, switches: 4, installs: 4, loads: 2, compareAndSets: 1, evictions: 1 },
  { ...direct, switches: 6, aborts: 1, installs: 6, installers: 2 },

  { switches: 4, installs: 4, loads: 1, redisLosses: 1 },
  { switches: 2, installs: 2, loads: 2, redisLosses: 1 },
  { saves: 1, switches: 2, aborts: 1, installs: 3, loads: 1, redisLosses: 1 },
  { saves: 3, switches: 2, installs: 2, loads: 1, compareAndSets: 1, redisLosses: 1 },
  { switches: 4, installs: 5, redisLosses: 2 },
  { saves: 3, switches: 2, installs: 3, redisLosses: 1, consumers: 2 },
  { ...direct, switches: 5, installs: 6, redisLosses: 1, installers: 2 },
  { switches: 4, installs: 4, loads: 1, redisResets: 1 },
  { saves: 3, installs: 2, loads: 2, compareAndSets: 1, redisResets: 1 },
  { ...plain, switches: 4, installs: 4, redisLosses: 1 },
  { ...plain, switches: 4, installs: 5, redisResets: 1 },

  { switches: 2, installs: 2, loads: 1, postgresLosses: 1 },
  { ...direct, switches: 2, installs: 2, loads: 1, postgresLosses: 1 },
  { saves: 1, switches: 1, aborts: 1, installs: 2, loads: 1, postgresLosses: 1 },
  { switches: 2, installs: 3, postgresLosses: 1, installers: 2 },
  { switches: 2, installs: 2, postgresLosses: 1, redisLosses: 1 },
  { switches: 2, installs: 2, postgresLosses: 1, redisResets: 1 },
  { saves: 1, switches: 1, installs: 2, postgresLosses: 2 },

  { saves: 3, switches: 2, forces: 1, installs: 3, loads: 1 },
  { saves: 3, forces: 1, installs: 2, loads: 1, evictions: 1 },
  { switches: 2, forces: 1, installs: 3, redisLosses: 1 },
  { switches: 1, forces: 1, installs: 2, postgresLosses: 1 },
  { saves: 1, switches: 2, forces: 2, installs: 3, redisLosses: 1 },
];

const happened = new Set<string>();
let statesInAll = 0;

function exploreRollout(scope: Partial<Bounds>, weakness: Weakness = {}): Exploration {
  return explore(rolloutModel, { ...none, ...scope }, weakness);
}

test.each(scopes)('no save is lost, and none is read stale, on the way there and back: %o', (scope) => {
  for (const ahead of ['redis', 'postgres'] as const) {
    const { states, violation, stepNames } = exploreRollout({ ...scope, ahead });
    for (const name of stepNames) happened.add(name.replace(/ (of \d|\d|\(.*).*|, .*/, ''));
    statesInAll += states;
    print(`${JSON.stringify({ ...scope, ahead })}: ${states} states, ${violation?.name ?? '0 violations'}`);
    expect(violation).toBeUndefined();
  }
});

test('the rare steps really happened, so the exploration saw what it is for', () => {
  print(`in all: ${statesInAll} states`);
  expect(statesInAll).toBeGreaterThan(3_000_000);
  expect([...happened]).toEqual(
    expect.arrayContaining([
      ...['compare-and-set', 'direct compare-and-set', 'evict or expire', 'duplicate', 'adopt', 'reissue'],
      ...['upsert: fenced', 'take: leftover', 'leftover: fenced', 'leftover: compare', 'leftover: resolve'],
      ...['seal', 'see that Redis is prepared', 'install: not verified', 'resync'],
      ...['PostgreSQL: to_direct to redis', 'PostgreSQL: to_redis to direct', 'PostgreSQL: forced to direct'],
      ...['salvage: write', 'salvage: settle', 'salvage: archive', 'salvage: adopt'],
      ...['salvage: fenced', 'salvage: superseded'],
      ...['recovery: write back', 'recovery: tell PostgreSQL', 'recovery: another one was first'],
      ...['read PostgreSQL: sealed', 'read PostgreSQL: moving', 'read PostgreSQL: not verified'],
      ...['read Redis: closed', 'read Redis again: not opened yet', 'read Redis again: closed'],
      ...['lease: hit', 'restore', 'restore: refused', 'no row'],
      ...['confirm', 'confirm: adopted', 'confirm: outdated', 'confirm: superseded', 'confirm: leftover'],
    ]),
  );
});

/** What each safeguard is for: the violation that is found without it. */
const weaknesses: readonly { weakness: keyof Weakness; scope: Partial<Bounds>; finds: string }[] = [
  {
    weakness: 'directSavesIgnoreMode',
    scope: { ...direct, switches: 4, installs: 4, loads: 1 },
    finds: 'TWO_WRITERS',
  },
  {
    weakness: 'redisSavesIgnoreMode',
    scope: { ...direct, switches: 4, installs: 4, loads: 1 },
    finds: 'TWO_WRITERS',
  },
  { weakness: 'upsertsIgnoreMode', scope: { saves: 4, forces: 1, loads: 1 }, finds: 'LOST' },
  {
    weakness: 'periodIgnored',
    scope: { saves: 4, switches: 2, forces: 1, installs: 2, loads: 1 },
    finds: 'STALE_AT_REST',
  },
  {
    weakness: 'casIgnoresEpoch',
    scope: { saves: 3, switches: 4, installs: 4, loads: 2, compareAndSets: 1 },
    finds: 'LOST_UPDATE',
  },
  {
    weakness: 'oneStepForward',
    scope: { ...direct, saves: 1, switches: 2, aborts: 1, installs: 2 },
    finds: 'TWO_WRITERS',
  },
  {
    weakness: 'redisOpensFirst',
    scope: { ...direct, switches: 4, installs: 4, loads: 1 },
    finds: 'TWO_WRITERS',
  },
  {
    weakness: 'preparationNotAwaited',
    scope: { saves: 3, switches: 2, forces: 1, installs: 3 },
    finds: 'VERSION_REUSED',
  },
  { weakness: 'noEpochOfPeriod', scope: { switches: 4, installs: 4 }, finds: 'STALE_AT_REST' },
  {
    weakness: 'noFloor',
    scope: { ...direct, ahead: 'postgres', switches: 2, installs: 2, evictions: 1 },
    finds: 'VERSION_REUSED',
  },
  {
    weakness: 'directOpensFirst',
    scope: { ...direct, switches: 4, installs: 4, loads: 1 },
    finds: 'TWO_WRITERS',
  },
  {
    weakness: 'drainNotAwaited',
    scope: { ...direct, switches: 4, installs: 4, loads: 1 },
    finds: 'TWO_WRITERS',
  },
  { weakness: 'lateEvidenceCounts', scope: { switches: 3, aborts: 1, installs: 3 }, finds: 'TWO_WRITERS' },
  { weakness: 'sealIgnoresDirty', scope: { ...direct, switches: 4, installs: 4, loads: 1 }, finds: 'LOST' },
  {
    weakness: 'sealIgnoresDatabase',
    scope: { saves: 1, switches: 2, installs: 2, postgresLosses: 1 },
    finds: 'LOST_AT_REST',
  },
  {
    weakness: 'sealedFloorIgnored',
    scope: {
      ahead: 'postgres',
      saves: 3,
      switches: 2,
      installs: 2,
      loads: 1,
      compareAndSets: 1,
      redisLosses: 1,
    },
    finds: 'LOST_UPDATE',
  },
  { weakness: 'sealLeavesLoadsOpen', scope: { switches: 2, installs: 1, loads: 1 }, finds: 'STALE_LOAD' },
  {
    weakness: 'loadsIgnoreRedisMode',
    scope: { ...direct, switches: 4, installs: 4, loads: 1 },
    finds: 'STALE_LOAD',
  },
  {
    weakness: 'loadsIgnorePostgresMode',
    scope: { ...direct, switches: 4, installs: 4, loads: 1 },
    finds: 'STALE_LOAD',
  },
  {
    weakness: 'loadsTrustMovingRow',
    scope: { ...direct, switches: 4, installs: 4, loads: 1 },
    finds: 'STALE_LOAD',
  },
  {
    weakness: 'sealMeansNotOpened',
    scope: { switches: 1, aborts: 1, installs: 2, loads: 1 },
    finds: 'STALE_LOAD',
  },
  {
    weakness: 'restoreTrusts',
    scope: { switches: 4, installs: 4, loads: 2, overlaps: 1 },
    finds: 'STALE_AT_REST',
  },
  { weakness: 'noLease', scope: { loads: 1, evictions: 1 }, finds: 'STALE_AT_REST' },
  {
    weakness: 'installIgnoresTerm',
    scope: { ...direct, switches: 4, installs: 4, installers: 2 },
    finds: 'TWO_WRITERS',
  },
  {
    weakness: 'installIgnoresEpoch',
    scope: { ...direct, switches: 5, installs: 6, installers: 2, redisLosses: 1 },
    finds: 'TWO_WRITERS',
  },
  {
    weakness: 'voidTakesToDirect',
    scope: { switches: 2, loads: 2, redisLosses: 1, installs: 2 },
    finds: 'STALE_LOAD',
  },
  { weakness: 'installClearsSeeded', scope: { installs: 1, redisResets: 1 }, finds: 'LOST_AT_REST' },
  {
    weakness: 'modeSurvivesLoss',
    scope: { saves: 1, switches: 2, installs: 2, redisLosses: 1 },
    finds: 'TWO_WRITERS',
  },
  {
    weakness: 'absentModeIsOpen',
    scope: { ...plain, saves: 1, switches: 2, installs: 2, redisLosses: 1 },
    finds: 'TWO_WRITERS',
  },
  {
    weakness: 'noGapOverFloor',
    scope: { ...direct, ahead: 'postgres', saves: 3, switches: 2, installs: 3, redisLosses: 1 },
    finds: 'VERSION_REUSED',
  },
  {
    weakness: 'periodEpochIgnored',
    scope: { saves: 3, switches: 2, forces: 1, installs: 3, loads: 1 },
    finds: 'STALE_AT_REST',
  },
  {
    weakness: 'lossUnnoticed',
    scope: { saves: 1, switches: 2, installs: 2, postgresLosses: 1 },
    finds: 'LOST_AT_REST',
  },
  {
    weakness: 'recoveryKeepsTerm',
    scope: { switches: 2, installs: 2, postgresLosses: 1 },
    finds: 'LOST_AT_REST',
  },
  {
    weakness: 'recoveryKeepsEpoch',
    scope: { ...direct, switches: 3, installs: 3, postgresLosses: 1 },
    finds: 'LOST',
  },
  {
    weakness: 'recoveryForgetsRedis',
    scope: { saves: 1, switches: 2, installs: 2, postgresLosses: 1 },
    finds: 'LOST_AT_REST',
  },
  {
    weakness: 'noGapAfterRecovery',
    scope: { switches: 2, installs: 2, postgresLosses: 1, loads: 1 },
    finds: 'STALE_AT_REST',
  },
  { weakness: 'noForcedFloor', scope: { forces: 1, installs: 1 }, finds: 'LOST_AT_REST' },
  { weakness: 'salvageOverwrites', scope: { forces: 1, installs: 1 }, finds: 'ROW_WENT_BACK' },
  {
    weakness: 'salvageComparesVersions',
    scope: { saves: 4, switches: 1, forces: 1, installs: 2, loads: 1, evictions: 1 },
    finds: 'LOST',
  },
  {
    weakness: 'salvageRemovesWritten',
    scope: { saves: 1, forces: 1, installs: 1, postgresLosses: 1 },
    finds: 'LOST',
  },
  {
    weakness: 'salvageRemovesLosers',
    scope: { saves: 1, forces: 1, installs: 1, postgresLosses: 1 },
    finds: 'LOST',
  },
  {
    weakness: 'salvageIgnoresEpoch',
    scope: { saves: 1, switches: 4, installs: 5, redisLosses: 1, postgresLosses: 1 },
    finds: 'LOST_AT_REST',
  },
  {
    weakness: 'salvageSettlesLosers',
    scope: { saves: 3, forces: 1, installs: 1, loads: 1 },
    finds: 'STALE_AT_REST',
  },
];

test.each(weaknesses)(
  'without its safeguard a switch breaks the protocol: $weakness',
  ({ weakness, scope, finds }) => {
    const { states, violation } = exploreRollout(scope, { [weakness]: true });
    const history = violation?.history.join(' → ') ?? '';
    print(`${weakness}: ${violation?.name ?? 'nothing'} after ${states} states: ${history}`);
    expect(violation?.name).toBe(finds);
  },
);

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
