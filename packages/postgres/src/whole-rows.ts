import { CauceError, type StoredSession } from '@cauce/protocol';
import type { SelectedRow } from './statements.ts';

/** A table, and one that is partitioned, in `pg_class.relkind`. */
const tableKinds = ['r', 'p'];

/**
 * One entry for each session that was asked for; undefined: there is no row.
 *
 * @throws CauceError `RESTORE_FAILED` for what is not a table: it may leave rows out
 */
export function sessionsIn(
  rows: readonly SelectedRow[],
  { asked, tableName }: { readonly asked: number; readonly tableName: string },
): (StoredSession | undefined)[] {
  const sessions = new Array<StoredSession | undefined>(asked).fill(undefined);
  for (const { position, state, version, operations, relation_kind } of rows) {
    if (!tableKinds.includes(relation_kind)) {
      throw restoreFailed(`${tableName} is not a table: a view, or a foreign table, may leave sessions out.`);
    }
    if (version === null) continue;
    const session = { state: state ?? '', version, isTombstone: state === null };
    sessions[position] = { ...session, operations: operations ?? undefined };
  }
  return sessions;
}

/** What keeps a bot from seeing every row, in words; any other error unchanged. */
export function explainHidden(error: unknown): unknown {
  switch ((error as { code?: unknown } | undefined)?.code) {
    case '0A000':
      return restoreFailed('PostgreSQL is a replica, which may lack sessions: ask the primary.', error);
    case '42501':
      return restoreFailed(
        'The role may not see every row: grant it SELECT and, with row-level security, BYPASSRLS.',
        error,
      );
    default:
      return error;
  }
}

function restoreFailed(message: string, cause?: unknown): CauceError {
  return new CauceError('RESTORE_FAILED', message, { retryable: true, cause });
}
