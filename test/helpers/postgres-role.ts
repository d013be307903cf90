import type pg from 'pg';
import { uniqueName } from './isolated.ts';

export interface PostgresRole {
  readonly name: string;
  /** As this role, on the server of the given URL. */
  readonly url: string;
}

/** A role that may log in, enter the schema, and nothing else. */
export async function createRole(pool: pg.Pool, databaseUrl: string, schema: string): Promise<PostgresRole> {
  const name = uniqueName();
  await pool.query(`CREATE ROLE ${name} LOGIN`);
  await pool.query(`GRANT USAGE ON SCHEMA ${schema} TO ${name}`);
  const url = new URL(databaseUrl);
  url.username = name;
  return { name, url: url.href };
}
