import type { PartitionMode } from '@cauce/postgres';
import type { WriterMode } from '@cauce/protocol';
import { expect, it } from 'vitest';
import { type CopiedMode, nextStep, type Target } from '../../../packages/admin/src/rollout/next-step.ts';

function stored(mode: WriterMode, term = 5): PartitionMode {
  return {
    ...{ partition: 0, mode, term: String(term), period: '3', floor: '0' },
    ...{ changedAt: new Date(0), changedBy: '' },
  };
}

/** Plays the way to its end: each step does what it is for, in PostgreSQL or in Redis. */
function walk(from: PartitionMode, copy: CopiedMode | undefined, target: Target): string[] {
  let [row, copied] = [from, copy];
  const path: string[] = [];
  for (let i = 0; i < 20; i++) {
    const next = nextStep(row, copied, target);
    path.push(next.step === 'change' ? next.to : next.step);
    if (next.step === 'done') return path;
    if (next.step === 'change') row = stored(next.to, Number(row.term) + 1);
    if (next.step === 'install') copied = { mode: row.mode, term: row.term };
    if (next.step === 'seal') copied = { mode: 'sealed', term: row.term };
  }
  return expect.fail(`never done: ${path.join(' → ')}`);
}

const here = (mode: CopiedMode['mode'], term = 5): CopiedMode => ({ mode, term: String(term) });

it.each([
  ['forward', 'redis', stored('direct'), here('direct'), 'to_redis → install → redis → install → done'],
  [
    'forward the first time',
    'redis',
    stored('direct', 1),
    undefined,
    'to_redis → install → redis → install → done',
  ],
  [
    'forward after a stop before Redis was told',
    'redis',
    stored('redis'),
    here('to_redis', 4),
    'install → done',
  ],
  ['forward out of a way back', 'redis', stored('to_direct'), here('sealed'), 'redis → install → done'],
  ['back', 'direct', stored('redis'), here('redis'), 'to_direct → install → seal → direct → install → done'],
  [
    'back after a stop before the seal',
    'direct',
    stored('to_direct'),
    here('to_direct'),
    'seal → direct → install → done',
  ],
  [
    'back after a stop behind the seal',
    'direct',
    stored('to_direct'),
    here('sealed'),
    'direct → install → done',
  ],
  ['back out of a way forward', 'direct', stored('to_redis'), here('direct', 4), 'direct → install → done'],
  [
    'back, when Redis was restarted on the way',
    'direct',
    stored('to_direct'),
    here('void'),
    'redis → install → to_direct → install → seal → direct → install → done',
  ],
  ['nowhere, in Redis', 'redis', stored('redis'), here('redis'), 'done'],
  ['nowhere, directly', 'direct', stored('direct'), here('direct'), 'done'],
  ['nowhere, but Redis was restarted', 'redis', stored('redis'), here('void'), 'install → done'],
] as const)('P10 %s', (_, target, row, copy, path) => {
  expect(walk(row, copy, target).join(' → ')).toBe(path);
});

it('P10 a seal of an earlier way back proves nothing', () => {
  expect(nextStep(stored('to_direct', 9), here('sealed', 5), 'direct')).toEqual({ step: 'install' });
});

it('P3 versions are above all that the other store issued whenever a store begins to issue them', () => {
  for (const mode of ['to_redis', 'to_direct'] as const) {
    expect(nextStep(stored(mode), here(mode), 'redis')).toMatchObject({ to: 'redis', raisesFloor: true });
  }
  const back = nextStep(stored('to_direct'), here('sealed'), 'direct');
  expect(back).toMatchObject({ to: 'direct', raisesFloor: true });
});
