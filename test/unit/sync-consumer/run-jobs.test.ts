import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Job } from '../../../packages/sync-consumer/src/maintenance/jobs.ts';
import { runJobs } from '../../../packages/sync-consumer/src/maintenance/run-jobs.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const HOUR_MS = 3_600_000;
const unreachable = (): never => expect.unreachable();

test('each job runs by its own time; one that fails is named, and goes on as the others do', async () => {
  const stopping = new AbortController();
  const runs = { well: 0, failing: 0 };
  const failed: string[] = [];
  const jobs: Job[] = [
    { name: 'well', from: 'running', everyMs: 1000, run: async () => void runs.well++ },
    {
      name: 'failing',
      from: 'running',
      everyMs: 2500,
      run: async () => {
        throw new Error(`run ${++runs.failing}`);
      },
    },
  ];
  const onError = (error: unknown, job: string): void => void failed.push(`${job}: ${error}`);
  const ended = runJobs(jobs, { signal: stopping.signal, onError });
  await vi.advanceTimersByTimeAsync(5500);
  expect(runs).toEqual({ well: 6, failing: 3 });
  expect(failed).toEqual([1, 2, 3].map((run) => `failing: Error: run ${run}`));
  stopping.abort();
  await ended;
  expect(vi.getTimerCount()).toBe(0);
});

test('a job of an hour runs once a day, in that hour, and no more after the end', async () => {
  vi.setSystemTime(new Date(2026, 0, 1, 12));
  const stopping = new AbortController();
  const ranAt: Date[] = [];
  const failed: string[] = [];
  const job: Job = {
    name: 'nightly',
    from: 'running',
    atHour: 3,
    run: async () => {
      ranAt.push(new Date());
      if (ranAt.length === 1) throw new Error('once');
    },
  };
  const onError = (error: unknown, name: string): void => void failed.push(`${name}: ${error}`);
  const ended = runJobs([job], { signal: stopping.signal, onError });
  await vi.advanceTimersByTimeAsync(48 * HOUR_MS);
  expect(ranAt.map((at) => [at.getDate(), at.getHours()])).toEqual([
    [2, 3],
    [3, 3],
  ]);
  expect(ranAt[1]?.getMinutes()).toBe(ranAt[0]?.getMinutes());
  expect(failed).toEqual(['nightly: Error: once']);
  stopping.abort();
  await ended;
  await vi.advanceTimersByTimeAsync(48 * HOUR_MS);
  expect(ranAt).toHaveLength(2);
});

test('the end does not wait for a nightly run under way, and the run is given the signal', async () => {
  vi.setSystemTime(new Date(2026, 0, 1, 2));
  const stopping = new AbortController();
  let given: AbortSignal | undefined;
  const run = (signal: AbortSignal): Promise<void> => {
    given = signal;
    return new Promise(() => {});
  };
  const jobs: Job[] = [{ name: 'nightly', from: 'running', atHour: 3, run }];
  const ended = runJobs(jobs, { signal: stopping.signal, onError: unreachable });
  await vi.advanceTimersByTimeAsync(3 * HOUR_MS);
  expect(given?.aborted).toBe(false);
  stopping.abort();
  await ended;
  expect(given?.aborted).toBe(true);
});

test('nothing runs when the signal is aborted before', async () => {
  const jobs: Job[] = [
    { name: 'often', from: 'opening', everyMs: 1, run: unreachable },
    { name: 'nightly', from: 'opening', atHour: 3, run: unreachable },
  ];
  await runJobs(jobs, { signal: AbortSignal.abort(), onError: unreachable });
  expect(vi.getTimerCount()).toBe(0);
});
