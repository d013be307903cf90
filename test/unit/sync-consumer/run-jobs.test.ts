import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Job } from '../../../packages/sync-consumer/src/maintenance/jobs.ts';
import { runJobs } from '../../../packages/sync-consumer/src/maintenance/run-jobs.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const HOUR_MS = 3_600_000;
const unreachable = (): never => expect.unreachable();

test('each job runs by its own time; one that fails is named, and goes on as the others do', async () => {
  vi.useRealTimers();
  const stopping = new AbortController();
  const failed: string[] = [];
  const runs = { often: 0, failing: 0, rare: 0 };
  const jobs: Job[] = [
    {
      name: 'often',
      from: 'running',
      everyMs: 1,
      run: async () => {
        runs.often++;
        if (runs.often >= 5 && runs.failing >= 3) stopping.abort();
      },
    },
    {
      name: 'failing',
      from: 'running',
      everyMs: 1,
      run: async () => {
        throw new Error(`run ${++runs.failing}`);
      },
    },
    { name: 'rare', from: 'running', everyMs: HOUR_MS, run: async () => void runs.rare++ },
  ];
  const onError = (error: unknown, job: string): void => void failed.push(`${job}: ${error}`);
  await runJobs(jobs, { signal: stopping.signal, onError });
  expect(runs.rare).toBe(1);
  expect(failed.slice(0, 3)).toEqual([1, 2, 3].map((run) => `failing: Error: run ${run}`));
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
