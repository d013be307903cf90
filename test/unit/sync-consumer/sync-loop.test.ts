import { afterEach, expect, test, vi } from 'vitest';
import { SyncLoop, type SyncLoopOptions } from '../../../packages/sync-consumer/src/sync-loop.ts';

afterEach(() => vi.useRealTimers());

const HOUR_MS = 3_600_000;
const unreachable = (): never => expect.unreachable();

interface Fakes {
  readonly countEvents?: () => Promise<number>;
  /** What a sync does, from 1. */
  readonly sync?: (nth: number, loop: SyncLoop) => void;
  readonly onError?: (error: unknown) => void;
}

/** Runs a loop until it has begun to sync so often. Returns the pauses in between, ms. */
async function pausesOf(
  times: number,
  options: Partial<SyncLoopOptions>,
  { countEvents = async () => 0, sync = () => {}, onError = unreachable }: Fakes = {},
): Promise<number[]> {
  const stopping = new AbortController();
  const startsMs: number[] = [];
  const loop = new SyncLoop(
    {
      now: () => performance.now(),
      countEvents,
      async sync() {
        startsMs.push(performance.now());
        if (startsMs.length === times) stopping.abort();
        sync(startsMs.length, loop);
      },
      onError,
    },
    { syncIntervalMs: HOUR_MS, earlySessions: 100, ...options },
  );
  await loop.run(stopping.signal);
  return startsMs.slice(1).map((ms, i) => ms - (startsMs[i] ?? 0));
}

test('syncs at once and then at each interval', async () => {
  const pauses = await pausesOf(4, { syncIntervalMs: 30 }, { countEvents: async () => 99 });
  for (const pauseMs of pauses) expect(pauseMs).toBeGreaterThan(29);
});

test('with many events the interval is not waited for', async () => {
  let looks = 0;
  const [pauseMs] = await pausesOf(2, {}, { countEvents: async () => (++looks === 2 ? 100 : 99) });
  expect(looks).toBe(2);
  expect(pauseMs).toBeLessThan(HOUR_MS);
});

test('syncSoon has the next look sync, and one that is said during a sync is not lost', async () => {
  const [pauseMs] = await pausesOf(2, {}, { countEvents: unreachable, sync: (_, loop) => loop.syncSoon() });
  expect(pauseMs).toBeLessThan(HOUR_MS);
});

test('a sync that fails is reported, and the next comes after the pause of Redis; the end is no failure', async () => {
  const errors: unknown[] = [];
  const sync = (nth: number): void => {
    throw new Error(`sync ${nth}`);
  };
  const pauses = await pausesOf(3, { syncIntervalMs: 1 }, { sync, onError: (error) => errors.push(error) });
  for (const pauseMs of pauses) expect(pauseMs).toBeGreaterThan(490);
  expect(errors.map(String)).toEqual(['Error: sync 1', 'Error: sync 2']);
});

test.each([-1, 1])(
  'a clock of the host that steps by %i h makes no pause longer or shorter',
  async (hours) => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const sync = (): void => void vi.setSystemTime(Date.now() + hours * HOUR_MS);
    for (const pauseMs of await pausesOf(4, { syncIntervalMs: 30 }, { sync })) {
      expect(pauseMs).toBeGreaterThan(29);
      expect(pauseMs).toBeLessThan(HOUR_MS);
    }
  },
);
