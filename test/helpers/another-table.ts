import { migrate } from '@cauce/postgres/migrate';
import { connectPostgres, uniqueName } from './isolated.ts';
import type { Pipeline } from './pipeline.ts';

export interface AnotherTable {
  readonly schema: string;
  /** Quoted name. */
  readonly table: string;
  /** Settings that make a process use it instead of the pipeline's own. */
  readonly settings: { readonly SESSION_DB_SCHEMA: string };
  /** The same as an environment, for `cauce`. */
  readonly env: Record<string, string>;
  countRows(): Promise<number>;
}

/** A table of its own, migrated as a new one is, in the same database. */
export async function anotherTable(pipeline: Pipeline): Promise<AnotherTable> {
  const schema = uniqueName();
  await migrate({ databaseUrl: pipeline.databaseUrl, schema, table: 'session' });
  return describe(pipeline, schema);
}

/** The pipeline's tables as they are now, in another schema: what a dump and a restore make of them. */
export async function restoredCopy(pipeline: Pipeline): Promise<AnotherTable> {
  const { pool, table } = pipeline;
  const schema = uniqueName();
  const from = table.slice(1, table.indexOf('"', 1));
  const { rows } = await pool.query<{ name: string }>(
    'SELECT table_name AS name FROM information_schema.tables WHERE table_schema = $1',
    [from],
  );
  await pool.query(`CREATE SCHEMA ${schema}`);
  for (const { name } of rows) {
    await pool.query(`CREATE TABLE ${schema}.${name} (LIKE "${from}"."${name}" INCLUDING ALL)`);
    await pool.query(`INSERT INTO ${schema}.${name} SELECT * FROM "${from}"."${name}"`);
  }
  return describe(pipeline, schema);
}

function describe({ databaseUrl, env }: Pipeline, schema: string): AnotherTable {
  const pool = connectPostgres(databaseUrl);
  const table = `"${schema}"."session"`;
  return {
    schema,
    table,
    settings: { SESSION_DB_SCHEMA: schema },
    env: { ...env, SESSION_DB_SCHEMA: schema },
    async countRows() {
      const { rows } = await pool.query<{ count: number }>(`SELECT count(*)::int AS count FROM ${table}`);
      return rows[0]?.count ?? 0;
    },
  };
}
