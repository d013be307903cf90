import {
  classifyPostgresFailure,
  PostgresError,
  type Queries,
  type RowDifference,
  type SessionRow,
} from '@cauce/postgres';
import type { Version } from '@cauce/protocol';

/** `unreadable`: what Redis holds is not a session PostgreSQL could store. */
export type Difference = RowDifference | 'unreadable';

export interface ComparedRow<Row> {
  readonly row: Row;
  readonly difference: Difference;
  readonly rowVersion: Version | undefined;
}

/**
 * Compares with PostgreSQL in bulk; only what differs is returned. A statement that is refused is halved until the
 * row that is refused is alone. @throws PostgresError
 */
export async function compareRows<Row extends SessionRow>(
  queries: Pick<Queries, 'compareSessions'>,
  rows: readonly Row[],
): Promise<ComparedRow<Row>[]> {
  if (rows.length === 0) return [];
  try {
    const found = await queries.compareSessions(rows);
    return found.flatMap(({ position, difference, storedVersion }) => {
      const row = rows[position];
      return row ? [{ row, difference, rowVersion: storedVersion }] : [];
    });
  } catch (error) {
    const [row] = rows;
    if (classifyPostgresFailure(error).class !== 'refused' || !row) throw PostgresError.from(error);
    return rows.length > 1 ? halves() : [{ row, difference: 'unreadable', rowVersion: undefined }];
  }

  async function halves(): Promise<ComparedRow<Row>[]> {
    const half = Math.ceil(rows.length / 2);
    return [
      ...(await compareRows(queries, rows.slice(0, half))),
      ...(await compareRows(queries, rows.slice(half))),
    ];
  }
}
