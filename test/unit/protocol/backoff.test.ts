import { backoffMs, CONFLICT_BACKOFF, POSTGRES_BACKOFF } from '@cauce/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PARK_BACKOFF } from '../../../packages/protocol/src/retry-pauses.ts';

const attempts = [1, 2, 3, 4, 5, 6, 7, 8];

test.each([
  ['PostgreSQL', POSTGRES_BACKOFF, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000], 0.5],
  ['a parked session', PARK_BACKOFF, [30, 60, 120, 240, 480, 960, 1920, 3600].map((s) => s * 1000), 1],
  ['an update that collided', CONFLICT_BACKOFF, [4, 8, 16, 32, 64, 128, 250, 250], 0],
])(
  'the pauses of %s double up to the longest, and chance takes its share away',
  (_, backoff, longest, least) => {
    expect(attempts.map((attempt) => backoffMs(backoff, attempt, 1))).toEqual(longest);
    expect(attempts.map((attempt) => backoffMs(backoff, attempt, 0))).toEqual(
      longest.map((ms) => ms * least),
    );
  },
);

test('however often it failed, a pause is a time within its bounds', () => {
  const chances = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000_000 }), chances, chances, (attempt, jitter, random) => {
      const backoff = { firstMs: 100, maxMs: 2000, jitter };
      const pauseMs = backoffMs(backoff, attempt, random);
      expect(pauseMs).toBeLessThanOrEqual(2000);
      expect(pauseMs).toBeGreaterThanOrEqual(100 * (1 - jitter) * 0.999);
    }),
  );
});
