import { TableMismatchError } from '../error.ts';

/** A table of sessions in PostgreSQL, as Redis remembers which one its sessions are synced to. */
export interface TableIdentity {
  /** A uuid of `cauce migrate`; a dump, a restore and a replica keep it. */
  readonly id: string;
  /** For people; it decides nothing. No address, no user. */
  readonly name: string;
}

/** `public.session of database bots`. Pure. */
export function nameTable(names: { schema: string; table: string; database: string }): string {
  return `${names.schema}.${names.table} of database ${names.database}`;
}

/**
 * The error for a process whose table is not the one to which the sessions are synced. Pure.
 *
 * @param keyPrefix of the sessions
 */
export function tableMismatch(
  keyPrefix: string,
  { syncedTo, found }: { readonly syncedTo: TableIdentity; readonly found: TableIdentity },
): TableMismatchError {
  return new TableMismatchError(
    `The sessions under the key prefix ${keyPrefix} are synced to the table ${describe(syncedTo)}, and not to ` +
      `${describe(found)}, which this process is set to. Correct DATABASE_URL, SESSION_DB_SCHEMA and SESSION_DB_TABLE, ` +
      'or REDIS_URL and SESSION_KEY_PREFIX. To sync them to this table from now on: ' +
      '`cauce resync --to-this-table`.',
  );
}

/** Two copies may have the same name, so the identity is shown, too. The text from Redis may be anything. */
function describe({ id, name }: TableIdentity): string {
  return `${name} (${id})`.replace(/\p{Cc}/gu, '?').slice(0, 300);
}
