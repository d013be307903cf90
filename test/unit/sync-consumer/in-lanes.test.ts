import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { inLanes } from '../../../packages/sync-consumer/src/pipeline/in-lanes.ts';

/** Work whose end the test decides. */
function controlledWork() {
  const begun: number[] = [];
  const ends = new Map<number, { resolve: () => void; reject: (error: Error) => void }>();
  const work = (item: number): Promise<void> => {
    begun.push(item);
    return new Promise((resolve, reject) => ends.set(item, { resolve, reject }));
  };
  return { begun, work, end: (item: number) => ends.get(item) };
}

test('begins in order, never more than there are lanes, and goes on when one is free', async () => {
  const { begun, work, end } = controlledWork();
  const done = inLanes(2, [1, 2, 3, 4], work);
  await turn();
  expect(begun).toEqual([1, 2]);
  end(2)?.resolve();
  await turn();
  expect(begun).toEqual([1, 2, 3]);
  end(3)?.resolve();
  await turn();
  expect(begun).toEqual([1, 2, 3, 4]);
  end(1)?.resolve();
  end(4)?.resolve();
  await done;
});

test('after a failure begins nothing more, waits for what is under way, and rejects with the first error', async () => {
  const { begun, work, end } = controlledWork();
  let isOver = false;
  const done = inLanes(3, [1, 2, 3, 4, 5], work).finally(() => {
    isOver = true;
  });
  done.catch(() => {});
  await turn();
  end(2)?.reject(new Error('first'));
  await turn();
  end(1)?.reject(new Error('second'));
  await turn();
  expect({ begun, isOver }).toEqual({ begun: [1, 2, 3], isOver: false });
  end(3)?.resolve();
  await expect(done).rejects.toThrow('first');
  expect(begun).toEqual([1, 2, 3]);
});

test('nothing to do is done; more lanes than items is fine', async () => {
  await inLanes(4, [], () => Promise.reject(new Error('never')));
  const seen: number[] = [];
  await inLanes(4, [1], async (item) => void seen.push(item));
  expect(seen).toEqual([1]);
});

test('work that throws instead of rejecting is a failure too', async () => {
  const thrower = (): Promise<void> => {
    throw new Error('thrown');
  };
  await expect(inLanes(2, [1, 2], thrower)).rejects.toThrow('thrown');
});
