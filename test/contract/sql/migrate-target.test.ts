import { migrate } from '@cauce/postgres/migrate';
import type pg from 'pg';
import { expect, inject, test } from 'vitest';
import { eventually } from '../../helpers/eventually.ts';
import { connectPostgres, uniqueName } from '../../helpers/isolated.ts';
import { createPipeline } from '../../helpers/pipeline.ts';
import { createRole } from '../../helpers/postgres-role.ts';

const databaseUrl = inject('databaseUrl');

async function relationsOf(pool: pg.Pool, schema: string): Promise<string[]> {
  const { rows } = await pool.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relnamespace = to_regnamespace($1) AND relkind IN ('r', 'S', 'v') ORDER BY 1`,
    [schema],
  );
  return rows.map(({ name }) => name);
}

test.each(['session', 'session_conflict', 'session_layout', 'session_identity'])(
  'a table that is somebody else’s is refused by name, and nothing is left behind: %s',
  async (name) => {
    const pool = connectPostgres();
    const schema = uniqueName();
    await pool.query(`CREATE SCHEMA ${schema}; CREATE TABLE ${schema}.${name} (id int PRIMARY KEY)`);
    for (const isDryRun of [true, false]) {
      await expect(migrate({ databaseUrl, schema, table: 'session', isDryRun })).rejects.toMatchObject({
        code: 'INVALID_OPTION',
        message: expect.stringMatching(`${schema}.${name} .*already exists.*SESSION_DB_TABLE`),
      });
    }
    expect(await relationsOf(pool, schema)).toEqual([name]);
  },
);

test('a table that is somebody else’s is refused also where a migration failed before', async () => {
  const pool = connectPostgres();
  const schema = uniqueName();
  await pool.query(
    `CREATE SCHEMA ${schema}; CREATE TABLE ${schema}.session (id int);
     CREATE TABLE ${schema}.session_migration (id serial PRIMARY KEY, name text, run_on timestamp)`,
  );
  await expect(migrate({ databaseUrl, schema, table: 'session' })).rejects.toMatchObject({
    code: 'INVALID_OPTION',
  });
});

test('a role that may not create anything can see that there is nothing to do, or what there is', async () => {
  const { pool, settings } = await createPipeline();
  const schema = settings.SESSION_DB_SCHEMA ?? '';
  const role = await createRole(pool, databaseUrl, schema);
  await pool.query(`GRANT SELECT ON ${schema}.session_migration TO ${role.name}`);
  const names = { databaseUrl: role.url, table: 'session' };
  expect(await migrate({ ...names, schema })).toEqual([]);
  expect(await migrate({ ...names, schema, isDryRun: true })).toEqual([]);
  expect(await migrate({ ...names, schema: uniqueName(), isDryRun: true })).toContain('0001_session');
  expect(await migrate({ ...names, schema, table: 'other', isDryRun: true })).toContain('0001_session');
});

test('a role that owns its schema migrates without a right on the database', async () => {
  const pool = connectPostgres();
  const schema = uniqueName();
  await pool.query(`CREATE SCHEMA ${schema}`);
  const role = await createRole(pool, databaseUrl, schema);
  await pool.query(`ALTER SCHEMA ${schema} OWNER TO ${role.name}`);
  expect(await migrate({ databaseUrl: role.url, schema, table: 'session' })).toContain('0001_session');
});

test('a database that cannot hold every character is refused, by migrate and by a consumer', async () => {
  const pool = connectPostgres();
  const name = uniqueName();
  await pool.query(`CREATE DATABASE ${name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0`);
  const url = new URL(databaseUrl);
  url.pathname = `/${name}`;
  const latin = { databaseUrl: url.href, schema: uniqueName(), table: 'session' };
  for (const isDryRun of [true, false]) {
    await expect(migrate({ ...latin, isDryRun })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringMatching(/encoding LATIN1.*UTF8/),
    });
  }
  const inside = connectPostgres(url.href);
  expect(await relationsOf(inside, latin.schema)).toEqual([]);

  const pipeline = await createPipeline();
  await pipeline.save({ tenantId: 'acme', userId: 'ana' }, { text: '😀' });
  const sync = pipeline.startSync({}, { database: url.href });
  await eventually(() =>
    expect(sync.consumer.circuit.state).toMatchObject({
      failure: { class: 'misconfigured', summary: expect.stringMatching(/encoding LATIN1.*UTF8/) },
    }),
  );
  expect(sync.consumer.readiness.isReady).toBe(false);
  await sync.stop();
});
