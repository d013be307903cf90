import { expect, it } from 'vitest';
import { createSlots } from '../../../packages/sync-consumer/src/slots.ts';

it('at most so many work at the same time, in the order in which they came, and a failure frees its slot', async () => {
  const slots = createSlots(2);
  const begun: number[] = [];
  const ends: ((error?: Error) => void)[] = [];
  const works = [0, 1, 2, 3].map((i) =>
    slots(
      () =>
        new Promise<number>((resolve, reject) => {
          begun.push(i);
          ends[i] = (error) => (error ? reject(error) : resolve(i));
        }),
    ),
  );
  await settled();
  expect(begun).toEqual([0, 1]);
  ends[1]?.(new Error('broken'));
  await expect(works[1]).rejects.toThrow('broken');
  await settled();
  expect(begun).toEqual([0, 1, 2]);
  ends[0]?.();
  ends[2]?.();
  await settled();
  expect(begun).toEqual([0, 1, 2, 3]);
  ends[3]?.();
  expect(await Promise.all([works[0], works[2], works[3]])).toEqual([0, 2, 3]);
});

it('a slot that nobody waited for is free again', async () => {
  const slots = createSlots(1);
  expect([await slots(async () => 1), await slots(async () => 2)]).toEqual([1, 2]);
});

/** Everything that can go on without anybody's help has gone on. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
