/** How many new events to read from one partition. */
export interface PlannedRead {
  readonly partition: number;
  readonly count: number;
}

/**
 * Turns the lengths of the changes streams into batches: small partitions share one, a large one is cut.
 * Fair: every partition with events is in the plan. Pure.
 *
 * @param lengths events in the stream of each partition, by index
 * @param batchRows most events in a batch
 */
export function planReads(lengths: readonly number[], batchRows: number): PlannedRead[][] {
  const batches: PlannedRead[][] = [];
  let batch: PlannedRead[] = [];
  let room = batchRows;
  for (const [partition, length] of lengths.entries()) {
    for (let left = length; left > 0; ) {
      const count = Math.min(left, room);
      batch.push({ partition, count });
      left -= count;
      room -= count;
      if (room === 0) {
        batches.push(batch);
        batch = [];
        room = batchRows;
      }
    }
  }
  if (batch.length > 0) batches.push(batch);
  return batches;
}
