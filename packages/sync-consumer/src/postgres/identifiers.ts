import { InvalidOptionError } from '@cauce/protocol';
import format from 'pg-format';

/** Where the tables are. Both: a lower-case SQL identifier of at most 50 characters. */
export interface TableNames {
  /** Default `public`. */
  readonly schema: string;
  /** Table of the sessions, default `session`; `<table>_conflict` and `<table>_layout` go with it. */
  readonly table: string;
}

/**
 * Puts the configured names, quoted, in place of `{session}`, `{session_conflict}` and `{session_layout}`, and
 * `{session_literal}` as text. Nothing else is ever put into a statement; values are parameters.
 *
 * @throws InvalidOptionError for a name that is not a plain identifier
 */
export function renderSql(sql: string, { schema, table }: TableNames): string {
  refuseBadNames({ schema, table });
  const qualified = (name: string): string => format('%I.%I', schema, name);
  return sql
    .replaceAll('{session_conflict}', qualified(`${table}_conflict`))
    .replaceAll('{session_layout}', qualified(`${table}_layout`))
    .replaceAll('{session_literal}', format('%L', qualified(table)))
    .replaceAll('{session}', qualified(table));
}

/** @throws InvalidOptionError for a name that is not a plain identifier */
export function refuseBadNames({ schema, table }: TableNames): void {
  for (const name of [schema, table]) {
    if (!/^[a-z_][a-z0-9_]{0,49}$/.test(name)) {
      throw new InvalidOptionError(
        `${JSON.stringify(name)} is not a lower-case SQL identifier of at most 50 characters.`,
      );
    }
  }
}
