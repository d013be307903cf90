import {
  nameTable,
  PARTITION_HASH,
  PROTOCOL_VERSION,
  type SessionRef,
  type TableIdentity,
  type Version,
} from '@cauce/protocol';
import type pg from 'pg';
import { addressOf, atServer } from './at-server.ts';
import type { TableNames } from './identifiers.ts';
import { createModeQueries, type ModeQueries } from './mode-queries.ts';
import { rowId, type SessionRow } from './session-row.ts';
import {
  refColumns,
  renderStatements,
  type SelectedRow,
  selectOf,
  takenColumns,
  upsertOf,
} from './statements.ts';
import { inTransaction, type Statement } from './transaction.ts';

export interface ConflictRow extends SessionRow {
  readonly winningVersion: Version;
}

export type RowDifference = 'missing' | 'older_row' | 'newer_row' | 'other_state';

export interface Layout {
  readonly partitions: number;
  readonly hash: string;
  readonly protocol: number;
}

/** One of the tables, as the role of this connection finds it. */
export interface ExaminedTable {
  readonly encoding: string;
  readonly role: string;
  /** Quoted, with its schema. */
  readonly name: string;
  /** `pg_class.relkind`; null: there is no such table. */
  readonly kind: string | null;
  readonly lacking: readonly string[];
}

/** The statements with named arguments; the header of each (`sql/queries`) has what it promises. */
export interface Queries extends ModeQueries {
  /** `host:port` of what is asked; undefined when it is not known. */
  readonly server: string | undefined;
  /**
   * Writes what is newer than its row. Returns the rows that were written as given; the guard rejected the others, or a
   * trigger changed them or kept them out. Without a row it shows whether the table can be written at all.
   */
  upsertSessions<Row extends SessionRow>(rows: readonly Row[]): Promise<Row[]>;
  /**
   * Those of the rows that were taken from Redis in a time that is over: the writer mode of their partition changed since.
   * The upsert does not write them.
   */
  selectFencedSessions<Row extends SessionRow>(rows: readonly Row[]): Promise<Row[]>;
  /** Those of the rows that another transaction holds locked. Fails like the upsert when the table is locked. */
  selectLockedSessions<Row extends SessionRow>(rows: readonly Row[]): Promise<Row[]>;
  /** The rows there are, in no order. */
  selectSessions(refs: readonly SessionRef[]): Promise<SessionRow[]>;
  /** Returns those that are kept. */
  archiveConflicts<Row extends ConflictRow>(conflicts: readonly Row[]): Promise<Row[]>;
  /**
   * Differences between what Redis holds and the rows; `position` counts from 0 in `sessions`. Fails where rows may be
   * hidden.
   */
  compareSessions(
    sessions: readonly SessionRow[],
  ): Promise<{ position: number; difference: RowDifference; storedVersion: Version | undefined }[]>;
  /** The newest version of all, '0' for an empty table. Reads the whole table. */
  maxVersion(): Promise<Version>;
  /** Pins the layout on first contact; returns what is pinned. */
  pinLayout(partitions: number): Promise<Layout>;
  /** What has to be so before anything is synced. */
  examineDatabase(): Promise<ExaminedTable[]>;
  /** Which table this is, wherever it was copied or restored to. */
  identifyTable(): Promise<TableIdentity>;
  countBlocks(): Promise<number>;
  /** How many rows there are, roughly; undefined when nobody counted yet, 'no_table' before `cauce migrate`. */
  estimateRows(): Promise<number | undefined | 'no_table'>;
  /** Fails where rows may be hidden, as {@link purgeConflicts}. */
  purgeSessions(slice: {
    firstBlock: number;
    endBlock: number;
    historyDays: number;
    settledHours: number;
    isDryRun: boolean;
  }): Promise<number>;
  purgeConflicts(call: { historyDays: number; isDryRun: boolean }): Promise<number>;
  /**
   * Where the table lies: server, timeline, database, relation; undefined where it cannot be asked (it is away, or the
   * service does not tell).
   */
  identifyDatabase(): Promise<string | undefined>;
  /** Resolves when PostgreSQL answers. */
  ping(): Promise<void>;
}

export interface QueriesOptions extends TableNames {
  /** Longest wait for a row or table another transaction has locked, ms. */
  readonly lockTimeoutMs: number;
  /** Longest run of a statement, ms: the server gives up too, not only the caller. */
  readonly statementTimeoutMs: number;
  /** Longest wait for a statement that reads or deletes much (max version, purge), ms. */
  readonly longTimeoutMs: number;
}

/** Only unnamed statements and no session state, so PgBouncer's transaction mode works. */
export function createQueries(pool: pg.Pool, options: QueriesOptions): Queries {
  const statements = renderStatements(options);
  const server = addressOf(pool.options ?? {});
  return located({
    ...createModeQueries({ statements, transact }),

    async upsertSessions(rows) {
      const found = await transact<{ position: number }>(upsertOf(statements, rows));
      const rejected = new Set(found.map(({ position }) => position));
      return rows.filter((_, position) => !rejected.has(position));
    },

    async selectFencedSessions(rows) {
      const statement = { text: statements.selectFencedSessions, values: takenColumns(rows) };
      const fenced = await transact<{ position: number }>(statement);
      return fenced.flatMap(({ position }) => rows[position] ?? []);
    },

    async selectLockedSessions(rows) {
      const values = refColumns(rows.map(({ ref }) => ref));
      const locked = await transact<RefRow>({ text: statements.selectLockedSessions, values });
      return matching(rows, locked);
    },

    async selectSessions(refs) {
      const rows = await transact<SelectedRow>(selectOf(statements, refs));
      return rows.flatMap(({ position, state, version, operations }) => {
        const ref = refs[position];
        if (ref === undefined || version === null) return [];
        return [{ ref, state, version, operations: operations ?? undefined }];
      });
    },

    async archiveConflicts(conflicts) {
      // Redis drops the state after this, so it has to be as durable as a row.
      const values = [
        ...refColumns(conflicts.map(({ ref }) => ref)),
        conflicts.map(({ state }) => state),
        conflicts.map(({ version }) => version),
        conflicts.map(({ winningVersion }) => winningVersion),
      ];
      const kept = await transact<{ position: number }>({ text: statements.archiveConflicts, values });
      return kept.flatMap(({ position }) => conflicts[position] ?? []);
    },

    async compareSessions(sessions) {
      const values = [
        ...refColumns(sessions.map(({ ref }) => ref)),
        sessions.map(({ state }) => state),
        sessions.map(({ version }) => version),
      ];
      const rows = await transact<{
        position: number;
        stored_version: string | null;
        difference: RowDifference;
      }>({ text: statements.compareSessions, values }, { mustSeeAll: true });
      return rows.map(({ position, stored_version, difference }) => ({
        position,
        difference,
        storedVersion: stored_version ?? undefined,
      }));
    },

    async maxVersion() {
      const rows = await transact<{ version: string }>({ text: statements.maxVersion }, { isLong: true });
      return rows[0]?.version ?? '0';
    },

    async pinLayout(partitions) {
      const values = [partitions, PARTITION_HASH, PROTOCOL_VERSION];
      const pin = async (): Promise<Layout | undefined> =>
        (await transact<Layout>({ text: statements.pinLayout, values }))[0];
      // Nothing comes back when another process pinned it within the same moment: then it can be read.
      const layout = (await pin()) ?? (await pin());
      if (!layout) throw new Error('The layout was neither written nor read.');
      return layout;
    },

    examineDatabase: () => transact<ExaminedTable>({ text: statements.examineDatabase }),

    async identifyTable() {
      const [row] = await transact<{ id: string; database: string }>({ text: statements.identifyTable });
      if (!row) throw new Error(`${options.schema}.${options.table}_identity is empty: restore its row.`);
      return { id: row.id, name: nameTable({ ...options, database: row.database }) };
    },

    async countBlocks() {
      const rows = await transact<{ blocks: string }>({ text: statements.countBlocks });
      return Number(rows[0]?.blocks ?? 0);
    },

    async estimateRows() {
      const { rows } = await pool.query<{ rows: string | null }>(statements.estimateRows);
      if (rows[0] === undefined) return 'no_table';
      return rows[0].rows === null ? undefined : Number(rows[0].rows);
    },

    purgeSessions: ({ firstBlock, endBlock, historyDays, settledHours, isDryRun }) =>
      countPurged({
        text: statements.purgeSessions,
        values: [firstBlock, endBlock, historyDays, settledHours, isDryRun],
      }),

    purgeConflicts: ({ historyDays, isDryRun }) =>
      countPurged({ text: statements.purgeConflicts, values: [historyDays, isDryRun] }),

    async identifyDatabase() {
      try {
        const { rows } = await pool.query<{ database: string }>(statements.identifyDatabase);
        return rows[0]?.database;
      } catch {
        return undefined;
      }
    },

    async ping() {
      await pool.query('SELECT 1');
    },
  });

  function located(queries: Omit<Queries, 'server'>): Queries {
    const wrapped = Object.entries(queries).map(([name, query]) => [
      name,
      async (...args: unknown[]) => {
        try {
          return await (query as (...given: unknown[]) => Promise<unknown>)(...args);
        } catch (error) {
          throw atServer(error, server);
        }
      },
    ]);
    return { ...Object.fromEntries(wrapped), server } as Queries;
  }

  /** The rows of the last statement. */
  async function transact<Row extends pg.QueryResultRow>(
    statement: Statement | readonly Statement[],
    { isLong = false, mustSeeAll = false }: { isLong?: boolean; mustSeeAll?: boolean } = {},
  ): Promise<Row[]> {
    const { lockTimeoutMs, statementTimeoutMs, longTimeoutMs } = options;
    const long = { lockTimeoutMs, statementTimeoutMs: longTimeoutMs, answerTimeoutMs: longTimeoutMs };
    const limits = isLong ? long : { lockTimeoutMs, statementTimeoutMs };
    const call = { statements: [statement].flat(), limits: () => limits, mustSeeAll };
    return ((await inTransaction(pool, call)).at(-1) ?? []) as Row[];
  }

  async function countPurged(statement: Statement): Promise<number> {
    const rows = await transact<{ purged: number }>(statement, { isLong: true, mustSeeAll: true });
    return rows[0]?.purged ?? 0;
  }
}

interface RefRow {
  readonly tenant_id: string;
  readonly user_id: string;
}

/** Those of the rows that PostgreSQL named. */
function matching<Row extends SessionRow>(rows: readonly Row[], named: readonly RefRow[]): Row[] {
  const byId = new Map(rows.map((row) => [rowId(row.ref), row]));
  return named.flatMap(
    ({ tenant_id, user_id }) => byId.get(rowId({ tenantId: tenant_id, userId: user_id })) ?? [],
  );
}
