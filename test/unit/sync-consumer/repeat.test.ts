import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { repeat } from '../../../packages/sync-consumer/src/maintenance/repeat.ts';

const unreachable = (): never => expect.unreachable();

test('runs again and again, one at a time, until the signal is aborted', async () => {
  const stopping = new AbortController();
  let runs = 0;
  let underWay = 0;
  await repeat(
    async () => {
      underWay++;
      expect(underWay).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 2));
      underWay--;
      if (++runs === 5) stopping.abort();
    },
    { everyMs: 1, signal: stopping.signal, onError: unreachable },
  );
  expect(runs).toBe(5);
});

test('a run that failed is reported and the next one still comes', async () => {
  const stopping = new AbortController();
  const errors: unknown[] = [];
  let runs = 0;
  await repeat(
    async () => {
      if (++runs === 3) stopping.abort();
      else throw new Error(`run ${runs}`);
    },
    { everyMs: 1, signal: stopping.signal, onError: (error) => errors.push(error) },
  );
  expect(errors.map(String)).toEqual(['Error: run 1', 'Error: run 2']);
});

test('ends at once when aborted during the pause, and waits for a run under way', async () => {
  const stopping = new AbortController();
  let runs = 0;
  const options = { everyMs: 3_600_000, signal: stopping.signal, onError: unreachable };
  const inPause = repeat(async () => void runs++, options);
  await new Promise((resolve) => setTimeout(resolve, 5));
  let hasEnded = false;
  const inRun = repeat(async () => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    hasEnded = true;
  }, options);
  stopping.abort();
  await Promise.all([inPause, inRun]);
  expect({ runs, hasEnded }).toEqual({ runs: 1, hasEnded: true });
  expect(getEventListeners(stopping.signal, 'abort')).toHaveLength(0);
});

test('an error because of the abort is not reported; a signal aborted before means no run', async () => {
  const stopping = new AbortController();
  await repeat(
    async (signal) => {
      stopping.abort();
      signal.throwIfAborted();
    },
    { everyMs: 1, signal: stopping.signal, onError: unreachable },
  );
  await repeat(async () => unreachable(), { everyMs: 1, signal: stopping.signal, onError: unreachable });
});
