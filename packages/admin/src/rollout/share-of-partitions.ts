import { crc32 } from 'node:zlib';

/**
 * The partitions that are in Redis at a percentage: more of the same order at a higher one, so who is in stays in. The
 * order is another one for each table, so it is not everywhere the same users who come first. Above 0 % at least one
 * partition is in, below 100 % at least one is not. Pure.
 *
 * @param tableId identity of the table
 */
export function partitionsAt(
  percent: number,
  { partitions, tableId }: { readonly partitions: number; readonly tableId: string },
): Set<number> {
  const order = Array.from({ length: partitions }, (_, partition) => ({
    partition,
    rank: crc32(`${tableId}:${partition}`),
  })).sort((a, b) => a.rank - b.rank || a.partition - b.partition);
  return new Set(order.slice(0, countAt(percent, partitions)).map(({ partition }) => partition));
}

function countAt(percent: number, partitions: number): number {
  if (percent <= 0) return 0;
  if (percent >= 100) return partitions;
  const count = Math.round((percent * partitions) / 100);
  return Math.min(partitions - 1, Math.max(1, count));
}
