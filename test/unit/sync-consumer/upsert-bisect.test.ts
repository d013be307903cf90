import fc from 'fast-check';
import { expect, test } from 'vitest';
import { errorOf } from '../postgres/failures.ts';
import { type Behaviour, createFakeTable, positions, testRows } from './fake-table.ts';

/** Refuses every statement with one of these rows in it. */
function poisonedBy(poison: ReadonlySet<number>, code = '22P02'): Behaviour {
  return (rows) => {
    if (rows.some(({ position }) => poison.has(position))) throw errorOf(code);
  };
}

test('a batch without a bad row is one statement', async () => {
  const table = createFakeTable(() => {});
  const rows = testRows(500);
  expect(await table.upsert(rows)).toEqual({
    written: rows,
    outdated: [],
    refused: [],
    postponed: [],
    expired: [],
  });
  expect(table.statements).toHaveLength(1);
});

test('nothing to write, no statement', async () => {
  const table = createFakeTable(() => {});
  expect(await table.upsert([])).toEqual({
    written: [],
    outdated: [],
    refused: [],
    postponed: [],
    expired: [],
  });
  expect(table.statements).toEqual([]);
});

test('whatever rows are bad, exactly those are refused and all others written, in few statements (P9)', async () => {
  const batch = fc.integer({ min: 1, max: 500 }).chain((size) =>
    fc.record({
      size: fc.constant(size),
      poison: fc.uniqueArray(fc.integer({ min: 0, max: size - 1 }), { maxLength: Math.min(size, 25) }),
    }),
  );
  await fc.assert(
    fc.asyncProperty(batch, async ({ size, poison }) => {
      const table = createFakeTable(poisonedBy(new Set(poison)));
      const { written, outdated, refused } = await table.upsert(testRows(size));
      const bad = [...poison].sort((a, b) => a - b);
      expect(positions(refused.map(({ row }) => row))).toEqual(bad);
      expect(refused.every(({ sqlState }) => sqlState === '22P02')).toBe(true);
      const good = testRows(size).filter(({ position }) => !bad.includes(position));
      expect(positions(written)).toEqual(positions(good));
      expect(positions(table.committed)).toEqual(positions(good));
      expect(outdated).toEqual([]);
      expect(table.statements.length).toBeLessThanOrEqual(
        poison.length * (2 * Math.ceil(Math.log2(size)) + 1) + 1,
      );
    }),
    { numRuns: 150 },
  );
});

test('one bad row among 500 costs at most 2·log2(500)+1 statements, wherever it is', async () => {
  for (const position of [0, 1, 249, 250, 251, 498, 499]) {
    const table = createFakeTable(poisonedBy(new Set([position])));
    await table.upsert(testRows(500));
    expect(table.statements.length).toBeLessThanOrEqual(2 * Math.ceil(Math.log2(500)) + 1);
  }
});

test('a batch of bad rows only: all are refused, none written', async () => {
  const table = createFakeTable(poisonedBy(new Set(testRows(64).keys()), '23514'));
  const { written, refused } = await table.upsert(testRows(64));
  expect(written).toEqual([]);
  expect(refused).toHaveLength(64);
});

test('a statement that is too large for this side is halved like a refused one (F8)', async () => {
  const table = createFakeTable((rows) => {
    if (rows.length > 100) throw new RangeError('Invalid string length');
  });
  expect((await table.upsert(testRows(500))).written).toHaveLength(500);
});

test('a statement that runs out of time is halved, without a row being refused for it (F8)', async () => {
  for (const error of [errorOf('57014'), errorOf('25P04')]) {
    const table = createFakeTable((rows) => {
      if (rows.length > 60) throw error;
    });
    const { written, refused } = await table.upsert(testRows(500));
    expect({ written: written.length, refused }).toEqual({ written: 500, refused: [] });
    expect(table.statements.every((rows, i) => i === 0 || rows.length < 500)).toBe(true);
  }
});

test('a single row that runs out of time is repeated, not refused', async () => {
  const table = createFakeTable((_, statement) => {
    if (statement < 3) throw errorOf('57014');
  });
  const { written, refused } = await table.upsert(testRows(1));
  expect({ written: written.length, refused }).toEqual({ written: 1, refused: [] });
});

test('rows the guard rejected come back as outdated, neither written nor refused (P6)', async () => {
  const table = createFakeTable(() => {}, { writes: ({ position }) => position % 2 === 0 });
  const { written, outdated, refused } = await table.upsert(testRows(10));
  expect(positions(written)).toEqual([0, 2, 4, 6, 8]);
  expect(positions(outdated)).toEqual([1, 3, 5, 7, 9]);
  expect(refused).toEqual([]);
});

test('rows that somebody holds locked are left for later, and their neighbours are written (P9)', async () => {
  const locked = new Set([3, 4, 99]);
  const isLocked = ({ position }: { position: number }): boolean => locked.has(position);
  const table = createFakeTable(
    (rows) => {
      if (rows.some(isLocked)) throw errorOf('55P03');
    },
    { locks: isLocked },
  );
  const { written, refused, postponed } = await table.upsert(testRows(100));
  expect(positions(postponed)).toEqual([3, 4, 99]);
  expect({ written: written.length, refused }).toEqual({ written: 97, refused: [] });
  expect(table.statements).toHaveLength(2);
  expect(table.circuit.isUp).toBe(true);
});

test.each([
  { why: 'it always runs out of time', code: '57014', locks: undefined },
  { why: 'somebody inserts it and does not commit', code: '55P03', locks: () => false },
  { why: 'its answer never comes', code: 'Query read timeout', locks: undefined },
])(
  'one row that cannot be written now does not hold up its neighbours: $why (P9)',
  async ({ code, locks }) => {
    const error = code.length === 5 ? errorOf(code) : new Error(code);
    const table = createFakeTable(
      (rows) => {
        if (rows.some(({ position }) => position === 7)) throw error;
      },
      locks ? { locks } : {},
    );
    const { written, refused, postponed } = await table.upsert(testRows(50));
    expect(positions(postponed)).toEqual([7]);
    expect({ written: written.length, refused }).toEqual({ written: 49, refused: [] });
    expect(table.circuit.isUp).toBe(true);
  },
);
