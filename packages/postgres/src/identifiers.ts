import { InvalidOptionError } from '@cauce/protocol';
import { plainIdentifier } from '@cauce/settings';
import format from 'pg-format';

/** Where the tables are. Both: a lower-case SQL identifier of at most 50 characters. */
export interface TableNames {
  /** Default `public`. */
  readonly schema: string;
  /** Table of the sessions, default `session`; `<table>_conflict`, `_layout` and so on go with it. */
  readonly table: string;
}

/**
 * Puts the configured names, quoted, in place of `{session}`, `{session_conflict}` and so on, and as text in place of
 * `{session_literal}` and so on. Nothing else is ever put into a statement; values are parameters.
 *
 * @throws InvalidOptionError for a name that is not a plain identifier
 */
export function renderSql(sql: string, { schema, table }: TableNames): string {
  refuseBadNames({ schema, table });
  const names = {
    session: table,
    session_conflict: `${table}_conflict`,
    session_layout: `${table}_layout`,
    session_identity: `${table}_identity`,
    session_migration: `${table}_migration`,
    session_mode: `${table}_mode`,
    session_fence: `${table}_fence`,
    session_save: `${table}_save`,
  };
  return Object.entries(names).reduce((rendered, [placeholder, name]) => {
    const qualified = format('%I.%I', schema, name);
    return rendered
      .replaceAll(`{${placeholder}}`, qualified)
      .replaceAll(`{${placeholder}_literal}`, format('%L', qualified));
  }, sql);
}

/** @throws InvalidOptionError for a name that is not a plain identifier */
export function refuseBadNames({ schema, table }: TableNames): void {
  for (const name of [schema, table]) {
    if (!isPlainIdentifier(name)) {
      throw new InvalidOptionError(`${JSON.stringify(name)} is not ${plainIdentifier.allowed}.`);
    }
  }
}

export function isPlainIdentifier(name: string): boolean {
  return plainIdentifier.pattern.test(name);
}
