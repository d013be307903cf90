import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { SyncLoop } from '../../../packages/sync-consumer/src/sync-loop.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const MINUTE_MS = 60_000;
const unreachable = (): never => expect.unreachable();

interface Fakes {
  readonly countWaiting?: () => Promise<number>;
  readonly sync?: () => Promise<void>;
  readonly onError?: (error: unknown) => void;
}

/** A loop of a minute that says when it synced, ms after its start. */
function startLoop({
  countWaiting = async () => 0,
  sync = async () => {},
  onError = unreachable,
}: Fakes = {}) {
  const stopping = new AbortController();
  const startedAtMs = performance.now();
  const syncedAtMs: number[] = [];
  const loop = new SyncLoop(
    {
      now: () => performance.now(),
      countWaiting,
      sync: () => {
        syncedAtMs.push(performance.now() - startedAtMs);
        return sync();
      },
      onError,
    },
    { syncIntervalMs: MINUTE_MS, earlySessions: 100 },
  );
  const ended = loop.run(stopping.signal);
  return {
    loop,
    syncedAtMs,
    async stop() {
      stopping.abort();
      await ended;
      expect(vi.getTimerCount()).toBe(0);
    },
  };
}

test('syncs at once and then at each interval', async () => {
  const { syncedAtMs, stop } = startLoop({ countWaiting: async () => 99 });
  await vi.advanceTimersByTimeAsync(2 * MINUTE_MS);
  expect(syncedAtMs).toEqual([0, MINUTE_MS, 2 * MINUTE_MS]);
  await stop();
});

test('with many sessions waiting the interval is not waited for', async () => {
  let waiting = 0;
  const sync = async (): Promise<void> => {
    waiting = 0;
  };
  const { syncedAtMs, stop } = startLoop({ countWaiting: async () => waiting, sync });
  await vi.advanceTimersByTimeAsync(10_500);
  waiting = 100;
  await vi.advanceTimersByTimeAsync(MINUTE_MS);
  expect(syncedAtMs).toEqual([0, 11_000, 71_000]);
  await stop();
});

test('syncSoon has the next look sync, also when it is said during a sync', async () => {
  const { loop, syncedAtMs, stop } = startLoop({
    sync: async () => {
      if (syncedAtMs.length === 1) loop.syncSoon();
    },
  });
  await vi.advanceTimersByTimeAsync(500);
  expect(syncedAtMs).toEqual([0, 1]);
  loop.syncSoon();
  await vi.advanceTimersByTimeAsync(1000);
  expect(syncedAtMs).toEqual([0, 1, 1001]);
  await stop();
});

test('a sync that fails is told, and the next look comes all the same', async () => {
  const errors: unknown[] = [];
  const { syncedAtMs, stop } = startLoop({
    countWaiting: async () => {
      throw new Error('count');
    },
    sync: async () => {
      throw new Error('sync');
    },
    onError: (error) => errors.push(error),
  });
  await vi.advanceTimersByTimeAsync(2500);
  expect(syncedAtMs).toEqual([0]);
  expect(errors.map(String)).toEqual(['Error: sync', 'Error: count', 'Error: count']);
  await stop();
});

test.each([-1, 1])('a clock of the host that steps by %i h changes no interval', async (hours) => {
  const { syncedAtMs, stop } = startLoop();
  await vi.advanceTimersByTimeAsync(MINUTE_MS / 2);
  vi.setSystemTime(Date.now() + hours * 60 * MINUTE_MS);
  await vi.advanceTimersByTimeAsync(MINUTE_MS);
  expect(syncedAtMs).toEqual([0, MINUTE_MS]);
  await stop();
});
