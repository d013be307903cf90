import { describe, expect, it } from 'vitest';
import { partitionsAt } from '../../../packages/admin/src/rollout/share-of-partitions.ts';

const table = { partitions: 64, tableId: '7b1f0c1e-0000-4000-8000-000000000001' };

describe('the partitions at a percentage', () => {
  it.each([
    [0, 0],
    [0.1, 1],
    [1, 1],
    [10, 6],
    [50, 32],
    [99.9, 63],
    [100, 64],
  ])('%d %% are %d of 64', (percent, count) => {
    expect(partitionsAt(percent, table).size).toBe(count);
  });

  it('are more of the same at a higher one: who is in stays in', () => {
    for (let percent = 1; percent <= 100; percent++) {
      const before = partitionsAt(percent - 1, table);
      const now = partitionsAt(percent, table);
      expect([...before].filter((partition) => !now.has(partition))).toEqual([]);
    }
  });

  it('are others for another table', () => {
    const others = partitionsAt(10, { ...table, tableId: '7b1f0c1e-0000-4000-8000-000000000002' });
    expect([...others].sort()).not.toEqual([...partitionsAt(10, table)].sort());
  });

  it('of a single partition are none or all', () => {
    const single = { ...table, partitions: 1 };
    expect([0, 1, 50, 99, 100].map((percent) => partitionsAt(percent, single).size)).toEqual([0, 0, 0, 0, 1]);
  });
});
