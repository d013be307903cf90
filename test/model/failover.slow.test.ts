import { expect, test } from 'vitest';
import { explore } from './explore.ts';
import type { Bounds, Weakness } from './failover-model.ts';
import * as failoverModel from './failover-model.ts';

const none: Bounds = {
  saves: 0,
  loads: 0,
  overlaps: 0,
  evictions: 0,
  crashes: 0,
  clockJumps: 0,
  redisLosses: 0,
  redisResets: 0,
  postgresLosses: 0,
};

const scopes: Partial<Bounds>[] = [
  { saves: 3, loads: 1, redisLosses: 1 },
  { saves: 2, loads: 2, redisLosses: 1 },
  { saves: 2, loads: 1, redisLosses: 1, evictions: 1 },
  { saves: 3, loads: 1, evictions: 1 },
  { saves: 2, loads: 2, overlaps: 1, evictions: 1 },
  { saves: 2, loads: 1, redisLosses: 1, crashes: 1 },
  { saves: 2, loads: 1, redisResets: 1, clockJumps: 1 },
  { saves: 1, loads: 2, overlaps: 1, redisLosses: 1 },
  { saves: 2, loads: 2, redisResets: 1 },
  { saves: 3, loads: 1, postgresLosses: 1 },
  { saves: 2, loads: 1, postgresLosses: 1, crashes: 1 },
  { saves: 1, loads: 1, redisLosses: 1, postgresLosses: 1 },
];

const happened = new Set<string>();

test.each(scopes)('no loss takes what the other store has, nor what is saved after it: %o', (scope) => {
  const { states, violation, stepNames } = explore(failoverModel, { ...none, ...scope }, {});
  for (const name of stepNames) happened.add(name.replace(/[ ,:]*(of \d|gives \d|\(.*).*/, ''));
  print(`${JSON.stringify(scope)}: ${states} states, ${violation ? violation.name : '0 violations'}`);
  expect(violation).toBeUndefined();
});

test('the rare steps really happened, so the exploration saw what it is for', () => {
  expect([...happened]).toEqual(
    expect.arrayContaining([
      'second epoch',
      'expired',
      'adopt',
      'reissue',
      'confirm',
      'confirm: adopted',
      'confirm: outdated',
      'confirm: superseded',
      'restore: refused',
      'lease: hit',
      'compare-and-set: conflict',
      'compare-and-set over nothing',
      'resync',
      'duplicate',
    ]),
  );
});

/** What each safeguard is for: the violation that is found without it. */
const weaknesses: readonly { weakness: keyof Weakness; scope: Partial<Bounds>; finds: string }[] = [
  { weakness: 'noConfirm', scope: { saves: 2, loads: 1, redisLosses: 1 }, finds: 'STALE_LOAD' },
  { weakness: 'noAdopt', scope: { saves: 2, loads: 1, redisLosses: 1 }, finds: 'NEVER_SYNCED' },
  {
    weakness: 'noSecondEpoch',
    scope: { saves: 2, loads: 2, redisLosses: 1 },
    finds: 'STALE_LOAD',
  },
  {
    weakness: 'alwaysAdopts',
    scope: { saves: 2, redisResets: 1, clockJumps: 1 },
    finds: 'STALE_LOAD',
  },
  { weakness: 'alwaysReissues', scope: { saves: 2, redisLosses: 1 }, finds: 'STALE_LOAD' },
  { weakness: 'noGap', scope: { saves: 3, redisLosses: 1 }, finds: 'ROW_IS_NOT_THE_NEWEST' },
  {
    weakness: 'countsFromLostVersion',
    scope: { saves: 3, redisLosses: 1 },
    finds: 'ROW_IS_NOT_THE_NEWEST',
  },
  { weakness: 'lateEpoch', scope: { saves: 2, loads: 1, redisLosses: 1 }, finds: 'ROW_IS_NOT_THE_NEWEST' },
  { weakness: 'adoptTrusts', scope: { saves: 3, loads: 1, redisLosses: 1 }, finds: 'STALE_LOAD' },
  { weakness: 'noResync', scope: { saves: 1, postgresLosses: 1 }, finds: 'ROW_IS_NOT_THE_NEWEST' },
  { weakness: 'resyncOnce', scope: { saves: 1, postgresLosses: 1 }, finds: 'CLEAN_BUT_NOT_SYNCED' },
  {
    weakness: 'statesNeverExpire',
    scope: { saves: 2, loads: 1, redisLosses: 1 },
    finds: 'STALE_LOAD',
  },
  { weakness: 'trustsKnownEpoch', scope: { saves: 2, loads: 2, redisLosses: 1 }, finds: 'STALE_LOAD' },
  {
    weakness: 'leaseTrusts',
    scope: { saves: 2, loads: 1, redisLosses: 1, evictions: 1 },
    finds: 'STALE_LOAD',
  },
  { weakness: 'floorLost', scope: { saves: 2, redisResets: 1 }, finds: 'ROW_IS_NOT_THE_NEWEST' },
  { weakness: 'noSecondEpochAfterReset', scope: { saves: 2, loads: 2, redisResets: 1 }, finds: 'STALE_LOAD' },
  { weakness: 'secondEpochDemotes', scope: { saves: 2, redisResets: 1, clockJumps: 1 }, finds: 'STALE_LOAD' },
  { weakness: 'absenceUnproven', scope: { saves: 2, loads: 1, evictions: 1 }, finds: 'LOST_UPDATE' },
  {
    weakness: 'leaseIgnoresEpoch',
    scope: { saves: 2, loads: 1, redisLosses: 1 },
    finds: 'LOST_UPDATE',
  },
  { weakness: 'casIgnoresEpoch', scope: { saves: 3, loads: 1, redisLosses: 1 }, finds: 'LOST_UPDATE' },
];

test.each(weaknesses)(
  'without its safeguard a loss breaks the protocol: $weakness',
  ({ weakness, scope, finds }) => {
    const { states, violation } = explore(failoverModel, { ...none, ...scope }, { [weakness]: true });
    const history = violation?.history.join(' → ') ?? '';
    print(`${weakness}: ${violation?.name ?? 'nothing'} after ${states} states: ${history}`);
    expect(violation?.name).toBe(finds);
  },
);

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
