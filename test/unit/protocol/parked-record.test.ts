import fc from 'fast-check';
import { expect, it } from 'vitest';
import { MAX_PARK_BACKOFF_MS, PARK_BACKOFF } from '../../../packages/protocol/src/retry-pauses.ts';
import {
  decodeParkedRecord,
  encodeParkedRecord,
  isHeldBack,
  nextParkedRecord,
  type ParkedRecord,
} from '../../../packages/protocol/src/wire/parked-record.ts';

const refusal = { version: '1763830000123000', sqlState: '22P02' };

it('the first refusal waits the first backoff', () => {
  expect(nextParkedRecord(undefined, refusal, 1000)).toEqual({
    ...refusal,
    attempts: 1,
    firstSeenMs: 1000,
    lastSeenMs: 1000,
    retryAtMs: 1000 + PARK_BACKOFF.firstMs,
  });
});

it('F20 each further refusal doubles the wait up to an hour, and keeps when it was first seen', () => {
  const waits: number[] = [];
  let record: ParkedRecord | undefined;
  for (let attempt = 1; attempt <= 2000; attempt++) {
    record = nextParkedRecord(record, refusal, attempt);
    expect(record).toMatchObject({ attempts: attempt, firstSeenMs: 1, lastSeenMs: attempt });
    waits.push(record.retryAtMs - attempt);
  }
  expect(waits.slice(0, 9)).toEqual(
    [30, 60, 120, 240, 480, 960, 1920, 3600, 3600].map((seconds) => seconds * 1000),
  );
  expect(Math.max(...waits)).toBe(MAX_PARK_BACKOFF_MS);
});

it('the newest refusal gives version and SQLSTATE', () => {
  const first = nextParkedRecord(undefined, refusal, 1);
  expect(nextParkedRecord(first, { version: '2', sqlState: 'LOCAL' }, 2)).toMatchObject({
    version: '2',
    sqlState: 'LOCAL',
  });
  expect(first.version).toBe(refusal.version);
});

it('a record reads back as it was written', () => {
  const record = nextParkedRecord(undefined, refusal, 1_763_830_000_123);
  expect(decodeParkedRecord(encodeParkedRecord(record))).toEqual(record);
});

const record = (change: object): string =>
  JSON.stringify({ ...nextParkedRecord(undefined, refusal, 1), ...change });

it.each([
  '',
  'x',
  '7',
  '[]',
  '{}',
  '"text"',
  '{"version":7,"retryAtMs":1}',
  '{"version":"7","retryAtMs":"1"}',
  '{"version":"7","retryAtMs":1}',
  record({ attempts: 'x' }),
  record({ attempts: 0 }),
  record({ sqlState: '\u001b[2J' }),
  record({ version: 'abc' }),
  record({ lastSeenMs: null }),
  'null',
])('P9 %j is no record, and no reason to fail', (text) => {
  expect(decodeParkedRecord(text)).toBeUndefined();
});

it('P9 reading garbage never throws', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      decodeParkedRecord(text);
    }),
  );
});

it.each([
  [-1, false],
  [0, false],
  [1, true],
  [MAX_PARK_BACKOFF_MS, true],
  [2 * MAX_PARK_BACKOFF_MS, true],
  [2 * MAX_PARK_BACKOFF_MS + 1, false],
  [1e300, false],
])('a record that is due in %d ms holds back: %s', (inMs, expected) => {
  const nowMs = 1_763_830_000_123;
  const held = { ...nextParkedRecord(undefined, refusal, nowMs), retryAtMs: nowMs + inMs };
  expect(isHeldBack(held, nowMs)).toBe(expected);
});
