import { expect, test } from 'vitest';
import { ParkLimiter } from '../../../packages/sync-consumer/src/postgres/park-limiter.ts';
import { heldBytes } from './held-bytes.ts';

const MINUTE_MS = 60_000;

function createBreaker(parkLimit = 20) {
  const clock = { nowMs: 1_000_000 };
  const parkLimiter = new ParkLimiter({ parkLimit, now: () => clock.nowMs });
  const parkUntilRefused = (most = 10_000): number => {
    for (let parked = 0; parked < most; parked++) if (!parkLimiter.mayPark()) return parked;
    return most;
  };
  return { parkLimiter, clock, parkUntilRefused };
}

test('lets as many rows be parked in a minute as the limit, not one more (P9)', () => {
  const { parkLimiter, parkUntilRefused } = createBreaker(20);
  expect(parkLimiter.isOpen).toBe(false);
  expect(parkUntilRefused()).toBe(20);
  expect(parkLimiter.isOpen).toBe(true);
});

test('rows that are refused here and there, below the limit in any minute, never open it (P9)', () => {
  const { parkLimiter, clock } = createBreaker(20);
  for (let i = 0; i < 1000; i++) {
    expect(parkLimiter.mayPark()).toBe(true);
    clock.nowMs += MINUTE_MS / 20;
  }
});

test('the window slides: what was parked a minute ago no longer counts', () => {
  const { parkLimiter, clock, parkUntilRefused } = createBreaker(20);
  for (let i = 0; i < 19; i++) parkLimiter.mayPark();
  clock.nowMs += MINUTE_MS;
  expect(parkUntilRefused()).toBe(20);
});

test('with much traffic 5 % of its last 1,000 rows may be parked, if that is more than the limit', () => {
  const busy = createBreaker(20);
  busy.parkLimiter.sawRows(600);
  expect(busy.parkUntilRefused()).toBe(30);

  const busier = createBreaker(20);
  for (let i = 0; i < 100; i++) busier.parkLimiter.sawRows(500);
  expect(busier.parkUntilRefused()).toBe(50);

  const quiet = createBreaker(20);
  quiet.parkLimiter.sawRows(100);
  expect(quiet.parkUntilRefused()).toBe(20);

  const over = createBreaker(20);
  over.parkLimiter.sawRows(1000);
  over.clock.nowMs += MINUTE_MS;
  expect(over.parkUntilRefused()).toBe(20);
});

test('once open it stays open while rows are refused, however many pass beside them (P9)', () => {
  const { parkLimiter, clock, parkUntilRefused } = createBreaker(3);
  expect(parkUntilRefused()).toBe(3);
  for (let i = 0; i < 100; i++) {
    clock.nowMs += MINUTE_MS / 2;
    parkLimiter.sawRows(10_000);
    expect(parkLimiter.mayPark()).toBe(false);
    expect(parkLimiter.isOpen).toBe(true);
  }
});

test('a minute without a refusal closes it, and it counts from zero', () => {
  const { parkLimiter, clock, parkUntilRefused } = createBreaker(3);
  expect(parkUntilRefused()).toBe(3);
  clock.nowMs += MINUTE_MS - 1;
  expect(parkLimiter.isOpen).toBe(true);
  clock.nowMs += 1;
  expect(parkLimiter.isOpen).toBe(false);
  expect(parkUntilRefused()).toBe(3);
});

test('a limit of one parks the first bad row and stops at the second', () => {
  expect(createBreaker(1).parkUntilRefused()).toBe(1);
});

test('a year of statements without a bad row takes no memory with it', async () => {
  const { parkLimiter, clock } = createBreaker();
  const before = await heldBytes();
  for (let i = 0; i < 200_000; i++) {
    parkLimiter.sawRows(1);
    clock.nowMs += 1000;
  }
  expect((await heldBytes()) - before).toBeLessThan(8_000_000);
  expect(parkLimiter.mayPark()).toBe(true);
});
