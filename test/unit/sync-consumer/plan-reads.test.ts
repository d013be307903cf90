import fc from 'fast-check';
import { expect, test } from 'vitest';
import { planReads } from '../../../packages/sync-consumer/src/pipeline/plan-reads.ts';

test('small partitions share a batch, a large one is cut', () => {
  expect(planReads([2, 0, 3, 9], 5)).toEqual([
    [
      { partition: 0, count: 2 },
      { partition: 2, count: 3 },
    ],
    [{ partition: 3, count: 5 }],
    [{ partition: 3, count: 4 }],
  ]);
});

test('nothing waits, nothing is planned', () => {
  expect(planReads([], 500)).toEqual([]);
  expect(planReads([0, 0, 0], 500)).toEqual([]);
});

test('every event is planned once, every partition with events is in, no batch is too large (P9)', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 900 })), { maxLength: 64 }),
      fc.integer({ min: 1, max: 500 }),
      (lengths, batchRows) => {
        const batches = planReads(lengths, batchRows);
        const planned = lengths.map(() => 0);
        for (const batch of batches) {
          const counts = batch.map(({ count }) => count);
          expect(counts.every((count) => count > 0)).toBe(true);
          expect(counts.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(batchRows);
          expect(new Set(batch.map(({ partition }) => partition)).size).toBe(batch.length);
          for (const { partition, count } of batch) planned[partition] = (planned[partition] ?? 0) + count;
        }
        expect(planned).toEqual(lengths);
        // No more statements than needed: all but the last are full.
        const sum = lengths.reduce((total, length) => total + length, 0);
        expect(batches).toHaveLength(Math.ceil(sum / batchRows));
      },
    ),
  );
});
