import { expect, test } from 'vitest';
import type { Queries } from '../../../packages/postgres/src/queries.ts';
import { purgeHistory } from '../../../packages/sync-consumer/src/maintenance/purge-history.ts';

type Slice = Parameters<Queries['purgeSessions']>[0];

function tableOf(blocks: number) {
  const slices: Slice[] = [];
  const conflicts: unknown[] = [];
  return {
    slices,
    conflicts,
    countBlocks: async () => blocks,
    purgeSessions: async (slice: Slice) => {
      slices.push(slice);
      return 2;
    },
    purgeConflicts: async (call: unknown) => {
      conflicts.push(call);
      return 7;
    },
  };
}

test.each([0, 1, 999, 1000, 1001, 12_345])(
  'slices meet and cover all of %i blocks, none is large',
  async (blocks) => {
    const table = tableOf(blocks);
    const steps: { blocks: number; ofBlocks: number }[] = [];
    const report = await purgeHistory(table, { historyDays: 30, onProgress: (step) => steps.push(step) });

    let end = 0;
    for (const slice of table.slices) {
      expect(slice.firstBlock).toBe(end);
      expect(slice.endBlock - slice.firstBlock).toBe(1000);
      end = slice.endBlock;
    }
    expect(end).toBeGreaterThanOrEqual(blocks);
    expect(table.slices).toHaveLength(Math.ceil(blocks / 1000));
    expect(report).toEqual({ sessions: 2 * table.slices.length, conflicts: 7 });
    expect(steps).toHaveLength(table.slices.length);
    if (blocks > 0) expect(steps.at(-1)).toEqual({ blocks, ofBlocks: blocks });
  },
);

test('tombstones keep their 24 h, and a dry run is one everywhere (P3)', async () => {
  const table = tableOf(1);
  await purgeHistory(table, { historyDays: 1 });
  await purgeHistory(table, { historyDays: 9, isDryRun: true });
  expect(table.slices).toMatchObject([
    { historyDays: 1, settledHours: 24, isDryRun: false },
    { historyDays: 9, settledHours: 24, isDryRun: true },
  ]);
  expect(table.conflicts).toEqual([
    { historyDays: 1, isDryRun: false },
    { historyDays: 9, isDryRun: true },
  ]);
});

test('stops between two slices when aborted', async () => {
  const table = tableOf(5000);
  const stopping = new AbortController();
  const onProgress = ({ blocks }: { blocks: number }): void => {
    if (blocks === 2000) stopping.abort();
  };
  await expect(
    purgeHistory(table, { historyDays: 30, signal: stopping.signal, onProgress }),
  ).rejects.toMatchObject({ name: 'AbortError' });
  expect(table.slices).toHaveLength(2);
  expect(table.conflicts).toEqual([]);
});
