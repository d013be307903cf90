import { CauceError, MAX_VERSION } from '@cauce/protocol';
import { renderSql, type TableNames } from './identifiers.ts';

/** Of the migration that adds it. */
const CONSTRAINT = 'countable_version';

/** Rows have versions that Redis cannot count on from, so the tables were not migrated. Not retryable. */
export class UncountableVersionsError extends CauceError {
  constructor(names: TableNames) {
    const sql = (text: string): string => renderSql(`${text} WHERE version > ${MAX_VERSION};`, names);
    super(
      'POSTGRES_MISCONFIGURED',
      [
        `Rows have a version above ${MAX_VERSION}, which Redis cannot count on from; nothing was migrated.`,
        `To see them: ${sql('SELECT tenant_id, user_id, version FROM {session}')}`,
        // The time at which a row was written is what its version should have been.
        `To correct them: ${sql(
          'UPDATE {session} SET version = (extract(epoch FROM least(synced_at, now())) * 1000000)::bigint, ' +
            'updated_at = least(updated_at, now())',
        )}`,
        'Then migrate again.',
      ].join('\n'),
      { retryable: false },
    );
  }
}

/** Whether a statement was refused for such a row. */
export function isUncountable(error: unknown): boolean {
  const { code, constraint } = (error ?? {}) as { code?: unknown; constraint?: unknown };
  return code === '23514' && constraint === CONSTRAINT;
}
