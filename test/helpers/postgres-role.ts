import type pg from 'pg';
import { companion } from './companion.ts';
import { uniqueName } from './isolated.ts';
import type { Pipeline } from './pipeline.ts';

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

/** A role with what a consumer needs on the tables, and nothing more. */
export async function createConsumerRole(pipeline: Pipeline): Promise<PostgresRole> {
  const { pool, databaseUrl, table, settings } = pipeline;
  const role = await createRole(pool, databaseUrl, settings.SESSION_DB_SCHEMA ?? '');
  await pool.query(
    `GRANT SELECT, INSERT, UPDATE, DELETE ON ${table} TO ${role.name};
     GRANT SELECT, INSERT, DELETE ON ${companion(table, 'conflict')} TO ${role.name};
     GRANT SELECT, INSERT ON ${companion(table, 'layout')} TO ${role.name}`,
  );
  return role;
}
