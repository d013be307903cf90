import type { SessionRef } from '@cauce/protocol';
import { jsonbArray, textArray } from './binary-array.ts';
import { queries as sql } from './generated/queries.ts';
import { renderSql, type TableNames } from './identifiers.ts';
import type { SessionRow } from './session-row.ts';
import type { Statement } from './transaction.ts';

/** The statements of `sql/queries`, by the names of their files. */
export type Statements = Readonly<Record<keyof typeof sql, string>>;

/** @throws InvalidOptionError for a name that is not a plain identifier */
export function renderStatements(names: TableNames): Statements {
  return Object.fromEntries(
    Object.entries(sql).map(([name, statement]) => [name, renderSql(statement, names)]),
  ) as Statements;
}

/**
 * The upsert, as the last statement of its transaction, and before it the locks that its fence needs.
 *
 * @param tableId identity of the table; without it, any table
 */
export function upsertOf(
  statements: Statements,
  rows: readonly SessionRow[],
  tableId?: string,
): readonly Statement[] {
  const partitions = new Set(rows.flatMap(({ takenIn }) => takenIn?.partition ?? []));
  const lock = { text: statements.lockPartitions, values: [[...partitions]] };
  const upsert = {
    text: statements.upsertSessions,
    values: [
      textArray(rows.map(({ ref }) => ref.tenantId)),
      textArray(rows.map(({ ref }) => ref.userId)),
      jsonbArray(rows.map(({ state }) => state)),
      textArray(rows.map(({ version }) => version)),
      textArray(rows.map(({ operations }) => operations ?? null)),
      tableId ?? null,
      ...takenColumns(rows),
    ],
  };
  return partitions.size > 0 ? [lock, upsert] : [upsert];
}

/** In which period each was taken, as the fence reads it. */
export function takenColumns(
  rows: readonly Pick<SessionRow, 'takenIn'>[],
): [scopes: Buffer, periods: Buffer] {
  return [
    textArray(rows.map(({ takenIn }) => (takenIn ? `p:${takenIn.partition}` : null))),
    textArray(rows.map(({ takenIn }) => takenIn?.period ?? '0')),
  ];
}

export function selectOf(statements: Statements, refs: readonly SessionRef[]): Statement {
  return { text: statements.selectSessions, values: refColumns(refs) };
}

/** What {@link selectOf} gives for each ref. */
export interface SelectedRow {
  readonly position: number;
  readonly state: string | null;
  /** Null: there is no such row. */
  readonly version: string | null;
  readonly operations: string | null;
  /** `pg_class.relkind` */
  readonly relation_kind: string;
}

export function refColumns(refs: readonly SessionRef[]): [tenantIds: string[], userIds: string[]] {
  return [refs.map(({ tenantId }) => tenantId), refs.map(({ userId }) => userId)];
}
