import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createPostgresLoader } from '@cauce/session-client/postgres';
import { expect, onTestFinished, test } from 'vitest';
import { eventually } from '../../helpers/eventually.ts';
import { connectPostgres } from '../../helpers/isolated.ts';
import { ownPostgres } from '../../helpers/own-servers.ts';
import { createPipeline, type Pipeline } from '../../helpers/pipeline.ts';
import { createRole } from '../../helpers/postgres-role.ts';
import { isolatedClient } from './client.ts';

const ana = { tenantId: 'acme', userId: 'ana' };

/** A session that has left Redis, and is only a row. */
async function storedSession(options: Parameters<typeof createPipeline>[0] = {}): Promise<Pipeline> {
  const pipeline = await createPipeline(options);
  await pipeline.queries.upsertSessions([{ ref: ana, state: '{"step":"old"}', version: '5' }]);
  return pipeline;
}

function schemaOf({ settings }: Pipeline): string {
  return settings.SESSION_DB_SCHEMA ?? '';
}

function loading(pipeline: Pipeline, databaseUrl: string, table = 'session') {
  const loader = createPostgresLoader({ databaseUrl, schema: schemaOf(pipeline), table });
  onTestFinished(() => loader.close());
  return isolatedClient({ loader }).sessions;
}

const refused = (message: RegExp) => ({
  code: 'RESTORE_FAILED',
  retryable: true,
  cause: { message: expect.stringMatching(message) },
});

test('a policy that may hide rows from the loader fails the load: never a false "no session"', async () => {
  const pipeline = await storedSession();
  const { pool, table } = pipeline;
  const role = await createRole(pool, pipeline.databaseUrl, schemaOf(pipeline));
  await pool.query(`GRANT SELECT ON ${table} TO ${role.name}`);
  const sessions = loading(pipeline, role.url);
  expect(await sessions.getUserState(ana)).toEqual({ step: 'old' });

  await pool.query(`ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY`);
  const others = loading(pipeline, role.url);
  await expect(others.getUserState(ana)).rejects.toMatchObject(refused(/BYPASSRLS/));
  await expect(others.getUserStates([ana])).rejects.toMatchObject(refused(/BYPASSRLS/));
  // Nothing is built on an absence that is none.
  await expect(others.updateUserState(ana, () => ({ step: 'from nothing' }))).rejects.toMatchObject({
    code: 'RESTORE_FAILED',
  });

  await pool.query(`ALTER ROLE ${role.name} BYPASSRLS`);
  expect(await loading(pipeline, role.url).getUserState(ana)).toEqual({ step: 'old' });
});

test('the loader leaves nothing of its settings on a connection of a pool it was given', async () => {
  const pipeline = await storedSession();
  const pool = connectPostgres();
  const loader = createPostgresLoader({ pool, schema: schemaOf(pipeline) });
  expect(await loader.load([ana], {})).toMatchObject([{ version: '5' }]);
  await loader.write(ana, { state: '{}', version: '6', isTombstone: false }, {});
  for (const [name, value] of Object.entries({
    row_security: 'on',
    statement_timeout: '0',
    lock_timeout: '0',
    idle_in_transaction_session_timeout: '0',
  })) {
    expect((await pool.query(`SHOW ${name}`)).rows, name).toEqual([{ [name]: value }]);
  }
});

test('a view in the place of the table fails the load: it may leave rows out', async () => {
  const pipeline = await storedSession();
  const { pool, table } = pipeline;
  const schema = schemaOf(pipeline);
  await pool.query(`CREATE VIEW ${schema}.visible AS SELECT * FROM ${table} WHERE tenant_id <> 'acme'`);
  await expect(loading(pipeline, pipeline.databaseUrl, 'visible').getUserState(ana)).rejects.toMatchObject(
    refused(/\.visible is not a table/),
  );
});

test('a partitioned table is read whole', async () => {
  const pipeline = await storedSession();
  const { pool } = pipeline;
  const schema = schemaOf(pipeline);
  await pool.query(
    `CREATE TABLE ${schema}.parted (LIKE ${pipeline.table} INCLUDING ALL) PARTITION BY HASH (tenant_id);
     CREATE TABLE ${schema}.parted_0 PARTITION OF ${schema}.parted FOR VALUES WITH (MODULUS 2, REMAINDER 0);
     CREATE TABLE ${schema}.parted_1 PARTITION OF ${schema}.parted FOR VALUES WITH (MODULUS 2, REMAINDER 1);
     INSERT INTO ${schema}.parted SELECT * FROM ${pipeline.table}`,
  );
  expect(await loading(pipeline, pipeline.databaseUrl, 'parted').getUserState(ana)).toEqual({ step: 'old' });
});

test('a save that a trigger keeps out of the table is not called durable', async () => {
  const pipeline = await storedSession();
  const schema = schemaOf(pipeline);
  await pipeline.pool.query(
    `CREATE FUNCTION ${schema}.nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
     CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON ${pipeline.table}
     FOR EACH ROW EXECUTE FUNCTION ${schema}.nothing()`,
  );
  const sessions = loading(pipeline, pipeline.databaseUrl);
  for (const userId of ['ana', 'new']) {
    const save = sessions.saveUserState({ ...ana, userId }, { step: 'new' }, { durability: 'postgres' });
    await expect(save, userId).rejects.toMatchObject({ code: 'NOT_DURABLE' });
  }
});

test("the table is found by its schema, whatever the role's search path says", async () => {
  const pipeline = await storedSession();
  const { pool } = pipeline;
  const elsewhere = await createPipeline();
  const role = await createRole(pool, pipeline.databaseUrl, schemaOf(pipeline));
  await pool.query(
    `GRANT SELECT ON ${pipeline.table} TO ${role.name};
     ALTER ROLE ${role.name} SET search_path = ${schemaOf(elsewhere)}`,
  );
  expect(await loading(pipeline, role.url).getUserState(ana)).toEqual({ step: 'old' });
});

test('a replica fails the load: what it lacks may be there', async () => {
  const server = await ownPostgres();
  const pipeline = await storedSession({ databaseUrl: server.url });
  await pipeline.pool.query('CHECKPOINT');
  await server.shutdown();
  writeFileSync(join(server.dataDir, 'standby.signal'), '');
  await server.restart();
  await eventually(() => pipeline.pool.query('SELECT 1'));
  const sessions = loading(pipeline, server.url);
  await expect(sessions.getUserState(ana)).rejects.toMatchObject(refused(/ask the primary/));
  await expect(sessions.getUserState({ tenantId: 'acme', userId: 'new' })).rejects.toMatchObject(
    refused(/ask the primary/),
  );
});
