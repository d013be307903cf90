import type { SessionRow } from '@cauce/postgres';
import type { Fate } from '../../../packages/sync-consumer/src/pipeline/fate.ts';
import { type UpsertDeps, upsertBatch } from '../../../packages/sync-consumer/src/pipeline/upsert-batch.ts';
import { CircuitBreaker } from '../../../packages/sync-consumer/src/postgres/circuit-breaker.ts';
import { ParkLimiter } from '../../../packages/sync-consumer/src/postgres/park-limiter.ts';

export interface TestRow extends SessionRow {
  readonly position: number;
  readonly parked?: unknown;
}

export function testRows(
  count: number,
  change: (position: number) => Partial<TestRow> = () => ({}),
): TestRow[] {
  return Array.from({ length: count }, (_, position) => ({
    ref: { tenantId: 'acme', userId: `user-${position}` },
    state: '{}',
    version: '1',
    position,
    ...change(position),
  }));
}

export function positions(rows: readonly TestRow[]): number[] {
  return rows.map(({ position }) => position).sort((a, b) => a - b);
}

/** Throws for a statement, or not. */
export type Behaviour = (rows: readonly TestRow[], statement: number) => void;

export interface FakeOptions {
  readonly parkLimit?: number;
  /** Whether others get through. */
  readonly pings?: () => boolean;
  /** Rows another transaction holds locked and that can be seen. Left out: the whole table is locked. */
  readonly locks?: (row: TestRow) => boolean;
  /** What the version guard lets through. */
  readonly writes?: (row: TestRow) => boolean;
}

/**
 * A scripted table: the decisions of upsertBatch are what is tested here, on a circuit and a parkLimiter as they are.
 * What PostgreSQL itself does is tested on a real one, in test/contract and test/fault.
 */
export function createFakeTable(behaviour: Behaviour, options: FakeOptions = {}) {
  const { parkLimit = 1_000_000, pings = () => true, locks, writes = () => true } = options;
  const statements: number[][] = [];
  const committed: TestRow[] = [];
  const failures: string[] = [];
  const now = (): number => performance.now();
  const circuit = new CircuitBreaker({ now }, { backoff: { firstMs: 1, maxMs: 2, jitter: 0.5 } });
  const parkLimiter = new ParkLimiter({ now, parkLimit });
  const deps: UpsertDeps = {
    now,
    circuit,
    parkLimiter,
    onFailure: ({ code }) => failures.push(code),
    onStatement: () => {},
    queries: {
      async upsertSessions(rows) {
        const batch = rows as unknown as readonly TestRow[];
        if (batch.length === 0) {
          behaviour(batch, statements.length);
          return [];
        }
        statements.push(batch.map(({ position }) => position));
        behaviour(batch, statements.length);
        committed.push(...batch.filter(writes));
        return rows.filter((_, i) => batch[i] && writes(batch[i]));
      },
      async selectLockedSessions(rows) {
        const batch = rows as unknown as readonly TestRow[];
        // Without rows that are locked it is the table.
        if (!locks) throw Object.assign(new Error('lock timeout'), { code: '55P03' });
        return rows.filter((_, i) => batch[i] && locks(batch[i]));
      },
      async ping() {
        if (!pings()) throw new Error('Connection terminated unexpectedly');
      },
    },
  };
  return {
    circuit,
    parkLimiter,
    statements,
    committed,
    failures,
    /** The rows by what became of them. */
    async upsert(rows: readonly TestRow[], signal: AbortSignal = new AbortController().signal) {
      const { fates, outdated } = await upsertBatch(deps, rows, signal);
      const rowsOf = (wanted: (typeof fates)[number]['outcome']): TestRow[] =>
        fates.filter(({ outcome }) => outcome === wanted).map(({ row }) => row);
      return {
        written: rowsOf('written'),
        outdated,
        refused: fates.filter((fate): fate is Fate<'parked', TestRow> => fate.outcome === 'parked'),
        postponed: rowsOf('postponed'),
        expired: rowsOf('expired'),
      };
    },
  };
}
