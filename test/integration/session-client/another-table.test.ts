import { createSessionClient, type SessionClient, type SessionLoader } from '@cauce/session-client';
import { createPostgresLoader } from '@cauce/session-client/postgres';
import { expect, onTestFinished, test } from 'vitest';
import { type AnotherTable, anotherTable, restoredCopy } from '../../helpers/another-table.ts';
import { companion } from '../../helpers/companion.ts';
import { createPipeline, type Pipeline } from '../../helpers/pipeline.ts';
import { sessionTexts } from '../../helpers/session-hash.ts';

const ana = { tenantId: 'acme', userId: 'ana' };

interface State {
  readonly step: number;
}

/** A session that was synced and has left Redis. */
async function expired(): Promise<Pipeline> {
  const pipeline = await createPipeline();
  await pipeline.save(ana, { step: 1 });
  const sync = pipeline.startSync();
  await expect.poll(() => pipeline.countDirty(), { timeout: 10_000 }).toBe(0);
  await sync.stop();
  await pipeline.redis.del(pipeline.keyspace.locate(ana).key);
  return pipeline;
}

function bot(pipeline: Pipeline, loader: SessionLoader): SessionClient<State> {
  const { keyPrefix, partitions } = pipeline.keyspace;
  const sessions = createSessionClient<State>({ redis: pipeline.redisUrl, keyPrefix, partitions, loader });
  onTestFinished(() => sessions.close());
  return sessions;
}

function loaderOf({ databaseUrl }: Pipeline, schema: string | undefined) {
  const loader = createPostgresLoader({ databaseUrl, schema });
  onTestFinished(() => loader.close());
  return loader;
}

async function mistaken(): Promise<{
  pipeline: Pipeline;
  other: AnotherTable;
  sessions: SessionClient<State>;
}> {
  const pipeline = await expired();
  const other = await anotherTable(pipeline);
  return { pipeline, other, sessions: bot(pipeline, loaderOf(pipeline, other.schema)) };
}

test('a loader that reads another table is refused: its absence is not believed, its rows do not enter Redis', async () => {
  const { pipeline, other, sessions } = await mistaken();
  const refused = {
    code: 'RESTORE_FAILED',
    retryable: false,
    message: expect.stringContaining(`set to ${other.schema}.session`),
    cause: { code: 'TABLE_MISMATCH' },
  };
  await expect(sessions.getUserState(ana)).rejects.toMatchObject(refused);
  await expect(sessions.updateUserState(ana, () => ({ step: 2 }))).rejects.toMatchObject(refused);
  await pipeline.pool.query(
    `INSERT INTO ${other.table} VALUES ('acme', 'ana', '{"step": 7}', 5, now(), now(), now())`,
  );
  await expect(sessions.getUserState(ana)).rejects.toMatchObject(refused);
  expect(await sessionTexts(pipeline.redis, pipeline.keyspace.locate(ana).key)).toEqual({});
});

test('a save that shall be durable in PostgreSQL is not acknowledged for another table, and not written to it', async () => {
  const { other, sessions } = await mistaken();
  await expect(sessions.saveUserState(ana, { step: 2 }, { durability: 'postgres' })).rejects.toMatchObject({
    code: 'NOT_DURABLE',
    cause: { code: 'TABLE_MISMATCH' },
  });
  expect(await other.countRows()).toBe(0);
});

test('the right table, and a restored copy of it, are read and written', async () => {
  const pipeline = await expired();
  const copy = await restoredCopy(pipeline);
  for (const schema of [pipeline.settings.SESSION_DB_SCHEMA, copy.schema]) {
    await pipeline.redis.del(pipeline.keyspace.locate(ana).key);
    const sessions = bot(pipeline, loaderOf(pipeline, schema));
    expect(await sessions.getUserState(ana)).toEqual({ step: 1 });
    await sessions.saveUserState({ ...ana, userId: 'bo' }, { step: 2 }, { durability: 'postgres' });
  }
});

test('a table without an identity is refused where Redis knows one, and read where it does not', async () => {
  const pipeline = await expired();
  const { redis, keyspace, pool, table } = pipeline;
  await pool.query(`DROP TABLE ${companion(table, 'identity')}`);
  const loader = loaderOf(pipeline, pipeline.settings.SESSION_DB_SCHEMA);
  await expect(bot(pipeline, loader).getUserState(ana)).rejects.toMatchObject({ code: 'RESTORE_FAILED' });
  for (let partition = 0; partition < keyspace.partitions; partition++) {
    await redis.hdel(keyspace.meta(partition), 'table', 'tableName');
  }
  expect(await bot(pipeline, loader).getUserState(ana)).toEqual({ step: 1 });
});

test("a loader of one's own that knows of no identity goes on working", async () => {
  const pipeline = await expired();
  const row = { state: '{"step":3}', version: '5', isTombstone: false };
  const sessions = bot(pipeline, { load: async (refs) => refs.map(() => row) });
  expect(await sessions.getUserState(ana)).toEqual({ step: 3 });
});
