/** Works within a slot: at most so many at the same time, those who wait in order. */
export type Slots = <Result>(work: () => Promise<Result>) => Promise<Result>;

/** A slot is free or taken. A caller that leaves one hands it to the next that waits, or frees it. */
export function createSlots(max: number): Slots {
  let free = max;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (free > 0) free--;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free++;
    }
  };
}
