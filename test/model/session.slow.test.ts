import { expect, test } from 'vitest';
import { explore } from './explore.ts';
import type { Bounds, Weakness } from './session-model.ts';
import * as sessionModel from './session-model.ts';

const none: Bounds = {
  ...{ operations: 0, evictions: 0, crashes: 0, clockSteps: 0 },
  ...{ streamFaults: 0, purges: 0, lostAnswers: 0, otherWrites: 0 },
};

/** Together they cover every pair of faults with two operations, and each fault with three. */
const scopes: (Partial<Bounds> & { readonly operations: number })[] = [
  { operations: 2, evictions: 1, crashes: 1, clockSteps: 1, purges: 1 },
  { operations: 2, evictions: 1, streamFaults: 1, purges: 1 },
  { operations: 2, crashes: 1, clockSteps: 1, streamFaults: 1 },
  { operations: 3, evictions: 1, purges: 1 },
  { operations: 2, evictions: 2, lostAnswers: 1 },
  { operations: 3, evictions: 1, lostAnswers: 1 },
  { operations: 3, crashes: 1 },
  { operations: 3, evictions: 1, clockSteps: 1 },
  { operations: 3, streamFaults: 1 },
  { operations: 3, otherWrites: 1 },
  { operations: 2, evictions: 1, otherWrites: 1 },
  { operations: 2, clockSteps: 1, otherWrites: 1 },
];

const happened = new Set<string>();
let statesInAll = 0;

test.each(scopes)('no interleaving of the protocol as built breaks P1 to P6 or P8: %o', (scope) => {
  const { states, violation, stepNames } = explore(sessionModel, { ...none, ...scope }, {});
  for (const name of stepNames) happened.add(name.replace(/ \(.*/, ''));
  statesInAll += states;
  print(`${JSON.stringify(scope)}: ${states} states, ${violation ? violation.name : '0 violations'}`);
  expect(violation).toBeUndefined();
});

test('the rare steps really happened, so the exploration saw what it is for', () => {
  print(`in all: ${statesInAll} states`);
  expect(statesInAll).toBeGreaterThan(1_000_000);
  expect([...happened]).toEqual(
    expect.arrayContaining([
      'claim',
      'upsert: rejected',
      'adopt',
      'adopt: superseded',
      'restore',
      'restore: refused',
      'lease expires',
      'sweep',
      'purge',
      'take: clean',
      'compare-and-set: conflict',
      'compare-and-set, its answer is lost',
      'no row',
      'repeat: replayed',
      'repeat: unknown',
    ]),
  );
});

/** What each safeguard is for: the violation that is found without it. */
const weaknesses: readonly { weakness: keyof Weakness; scope: Partial<Bounds>; finds: readonly string[] }[] =
  [
    { weakness: 'hardDelete', scope: { operations: 2, evictions: 1 }, finds: ['RESURRECTED'] },
    { weakness: 'noLease', scope: { operations: 2, evictions: 1 }, finds: ['STALE_HIT'] },
    { weakness: 'noVersionGuard', scope: { operations: 2 }, finds: ['ROW_WENT_BACK'] },
    { weakness: 'noFloor', scope: { operations: 2, evictions: 1, clockSteps: 1 }, finds: ['VERSION_REUSED'] },
    {
      weakness: 'floorTooLow',
      scope: { operations: 3, evictions: 1, clockSteps: 1 },
      finds: ['VERSION_REUSED'],
    },
    { weakness: 'rowForgotten', scope: { operations: 3, otherWrites: 1 }, finds: ['LOSES_TO_A_KNOWN_ROW'] },
    { weakness: 'booleanQueued', scope: { operations: 2, streamFaults: 1 }, finds: ['NEVER_SYNCED'] },
    { weakness: 'ackFirst', scope: { operations: 2, crashes: 1 }, finds: ['NEVER_SYNCED'] },
    {
      weakness: 'settleAlwaysCleans',
      scope: { operations: 2 },
      finds: ['CLEAN_BUT_NOT_SYNCED', 'ROW_IS_NOT_THE_NEWEST'],
    },
    { weakness: 'settleForgetsLaterSaves', scope: { operations: 2 }, finds: ['NEVER_SYNCED'] },
    { weakness: 'noPersist', scope: { operations: 2, evictions: 1 }, finds: ['LOST'] },
    { weakness: 'noSweep', scope: { operations: 2, streamFaults: 1 }, finds: ['NEVER_SYNCED'] },
    { weakness: 'sweepTrustsStream', scope: { operations: 2, streamFaults: 1 }, finds: ['NEVER_SYNCED'] },
    { weakness: 'purgeEarly', scope: { operations: 2, evictions: 1, purges: 1 }, finds: ['RESURRECTED'] },
    { weakness: 'blindCas', scope: { operations: 2 }, finds: ['LOST_UPDATE'] },
    { weakness: 'absenceUnproven', scope: { operations: 2, evictions: 1 }, finds: ['LOST_UPDATE'] },
    {
      weakness: 'saveKeepsLease',
      scope: { operations: 2, evictions: 1 },
      finds: ['LOST_UPDATE', 'STALE_HIT'],
    },
    {
      weakness: 'absenceUnproven',
      scope: { operations: 1, evictions: 1, lostAnswers: 1 },
      finds: ['APPLIED_TWICE'],
    },
    {
      weakness: 'repeatReloads',
      scope: { operations: 1, evictions: 1, lostAnswers: 1 },
      finds: ['APPLIED_TWICE'],
    },
    { weakness: 'takeClearsEvent', scope: { operations: 2 }, finds: ['MORE_EVENTS_THAN_DIRTY'] },
  ];

test.each(weaknesses)(
  'without its safeguard the protocol breaks: $weakness',
  ({ weakness, scope, finds }) => {
    const { states, violation } = explore(sessionModel, { ...none, ...scope }, { [weakness]: true });
    const history = violation?.history.join(' → ') ?? '';
    print(`${weakness}: ${violation?.name ?? 'nothing'} after ${states} states: ${history}`);
    expect(finds).toContain(violation?.name);
  },
);

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
