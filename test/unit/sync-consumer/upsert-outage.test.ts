import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { errorOf } from '../postgres/failures.ts';
import { createFakeTable, positions, type TestRow, testRows } from './fake-table.ts';

const cut = (): Error => new Error('Connection terminated unexpectedly');

test.each(['57P01', '53300', '55P03', '40P01', '25006', 'ECONNREFUSED', 'EMFILE', '42P01', '28P01', 'XX000'])(
  'an outage or a misconfiguration parks nothing, and everything is written in the end: %s (P9)',
  async (code) => {
    const table = createFakeTable((_, statement) => {
      if (statement <= 20) throw errorOf(code);
    });
    const { written, refused } = await table.upsert(testRows(50));
    expect({ written: written.length, refused }).toEqual({ written: 50, refused: [] });
    // The whole batch again and again: no row was suspected.
    expect(new Set(table.statements.map((rows) => rows.length))).toEqual(new Set([50]));
    expect(table.failures).toEqual(Array.from({ length: 20 }, () => code));
    expect(table.circuit.isUp).toBe(true);
  },
);

const ofTheTable = ['42501', '55000', 'XX000', '42P01', '0A000', 'F0000'];

test.each(ofTheTable)(
  'a code that speaks of the table is the row’s if the statement passes without one: %s (P9)',
  async (code) => {
    const table = createFakeTable((rows) => {
      if (rows.some(({ position }) => position === 7 || position === 31)) throw errorOf(code);
    });
    const { written, refused } = await table.upsert(testRows(50));
    expect(refused).toMatchObject([
      { row: { position: 7 }, sqlState: code },
      { row: { position: 31 }, sqlState: code },
    ]);
    expect(written).toHaveLength(48);
    expect(table.circuit.isUp).toBe(true);
  },
);

test.each(ofTheTable)(
  'a code of the table that comes for every row parks no more than the limit: %s (P9)',
  async (code) => {
    const table = createFakeTable(
      (rows) => {
        if (rows.length > 0) throw errorOf(code);
      },
      { parkLimit: 20 },
    );
    const { refused, postponed } = await table.upsert(testRows(100));
    expect({ parked: refused.length, later: postponed.length }).toEqual({ parked: 20, later: 80 });
  },
);

test.each(['28P01', '3D000', '08P01', '53100', '25006', '57P01'])(
  'no row is tried alone for a code that only the server can mean: %s (P9)',
  async (code) => {
    const table = createFakeTable((rows, statement) => {
      if (rows.length > 0 && statement <= 5) throw errorOf(code);
    });
    const { written, refused } = await table.upsert(testRows(50));
    expect({ written: written.length, refused }).toEqual({ written: 50, refused: [] });
    expect(new Set(table.statements.map((rows) => rows.length))).toEqual(new Set([50]));
  },
);

test('any mixture of outages: exactly the bad rows are refused, all others written (P9)', async () => {
  const outage = fc.constantFrom('57P01', '53300', '55P03', 'ECONNREFUSED', '42P01', '25006');
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.integer({ min: 0, max: 29 }), { maxLength: 4 }),
      fc.array(fc.option(outage), { maxLength: 12 }),
      async (poison, outages) => {
        const table = createFakeTable((rows, statement) => {
          const code = outages[statement - 1];
          if (code) throw errorOf(code);
          if (rows.some(({ position }) => poison.includes(position))) throw errorOf('23514');
        });
        const { written, refused } = await table.upsert(testRows(30));
        expect(positions(refused.map(({ row }) => row))).toEqual([...poison].sort((a, b) => a - b));
        expect(written).toHaveLength(30 - poison.length);
      },
    ),
    { numRuns: 60 },
  );
});

test('rows that break the connection three times while others get through are bisected (F8)', async () => {
  const table = createFakeTable((rows) => {
    if (rows.some(({ position }) => position === 5)) throw errorOf('ECONNRESET');
  });
  const { written, refused } = await table.upsert(testRows(8));
  expect(refused).toMatchObject([{ row: { position: 5 }, sqlState: 'ECONNRESET' }]);
  expect(positions(written)).toEqual([0, 1, 2, 3, 4, 6, 7]);
  expect(table.statements.filter((rows) => rows.length === 8)).toHaveLength(3);
});

test('connections that break while nobody gets through are an outage, however often (P9)', async () => {
  const table = createFakeTable(
    (_, statement) => {
      if (statement <= 30) throw cut();
    },
    { pings: () => false },
  );
  const { written, refused } = await table.upsert(testRows(8));
  expect({ written: written.length, refused }).toEqual({ written: 8, refused: [] });
  expect(new Set(table.statements.map((rows) => rows.length))).toEqual(new Set([8]));
});

test('breaks in an outage are not held against the rows afterwards (P9)', async () => {
  let isAway = true;
  const table = createFakeTable(
    (_, statement) => {
      if (statement <= 10) throw cut();
      isAway = false;
      // Back, but read-only, locked, full: transient, and pings are answered.
      if (statement <= 20) throw errorOf(['25006', '55P03', '53300'][statement % 3] ?? '');
      if (statement <= 22) throw cut();
    },
    { pings: () => !isAway },
  );
  const { written, refused } = await table.upsert(testRows(8));
  expect({ written: written.length, refused }).toEqual({ written: 8, refused: [] });
  expect(new Set(table.statements.map((rows) => rows.length))).toEqual(new Set([8]));
});

test('a failure without a SQLSTATE counts against the rows only if others get through (P9)', async () => {
  let isAway = true;
  const table = createFakeTable(
    (_, statement) => {
      isAway = statement <= 10;
      if (isAway) throw new Error('something pg never said before');
    },
    { pings: () => !isAway },
  );
  expect(await table.upsert(testRows(8))).toMatchObject({ refused: [] });
  expect(new Set(table.statements.map((rows) => rows.length))).toEqual(new Set([8]));
});

test('the parkLimiter opens at the limit; nothing more is parked until refused rows pass (P9)', async () => {
  let isConstraintThere = true;
  const table = createFakeTable(
    () => {
      if (isConstraintThere) throw errorOf('23514');
    },
    { parkLimit: 20 },
  );
  const first = await table.upsert(testRows(100));
  expect({ parked: first.refused.length, later: first.postponed.length }).toEqual({ parked: 20, later: 80 });
  expect({ isOpen: table.parkLimiter.isOpen, isUp: table.circuit.isUp }).toEqual({
    isOpen: true,
    isUp: true,
  });

  const statements = table.statements.length;
  expect((await table.upsert(first.postponed)).refused).toEqual([]);
  // It gives up on a batch after a few refusals instead of halving all of it.
  expect(table.statements.length - statements).toBeLessThan(80);

  isConstraintThere = false;
  expect((await table.upsert(first.postponed)).written).toHaveLength(80);
});

test('with the parkLimiter open the rows around bad ones are written all the same, a batch after the other (P9)', async () => {
  const isBad = ({ position }: { position: number }): boolean => position % 4 === 0;
  const table = createFakeTable(
    (rows) => {
      if (rows.some(isBad)) throw errorOf('23514');
    },
    { parkLimit: 5 },
  );
  let left: readonly TestRow[] = testRows(80);
  let parked = 0;
  for (let round = 0; round < 60; round++) {
    const { refused, postponed } = await table.upsert(left);
    parked += refused.length;
    left = postponed;
  }
  expect(table.committed.filter((row) => !isBad(row))).toHaveLength(60);
  expect({ parked, left: left.length }).toEqual({ parked: 5, left: 15 });
});

test('rows that are parked already and refused again do not count toward the parkLimiter (F20)', async () => {
  const table = createFakeTable(
    () => {
      throw errorOf('22P02');
    },
    { parkLimit: 5 },
  );
  const parked = { version: '1', sqlState: '22P02', attempts: 1 };
  const rows = testRows(40, (position) => (position < 35 ? { parked } : {}));
  const { refused } = await table.upsert(rows);
  expect(refused).toHaveLength(40);
  expect(table.parkLimiter.isOpen).toBe(false);
});

test('an abort while it waits rejects; what was written stays written', async () => {
  const stopping = new AbortController();
  const table = createFakeTable((rows) => {
    if (rows.some(({ position }) => position >= 4)) throw errorOf(rows.length === 8 ? '22P02' : '57P01');
  });
  const upsert = table.upsert(testRows(8), stopping.signal);
  const outcome = expect(upsert).rejects.toMatchObject({ name: 'AbortError' });
  await delay(20);
  stopping.abort();
  await outcome;
  expect(positions(table.committed)).toEqual([0, 1, 2, 3]);
});

test('an abort does not stop a batch that need not wait', async () => {
  const table = createFakeTable(() => {});
  expect((await table.upsert(testRows(3), AbortSignal.abort())).written).toHaveLength(3);
});
