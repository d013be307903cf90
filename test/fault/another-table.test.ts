import type { PeriodicSync } from '@cauce/sync-consumer';
import { expect, test } from 'vitest';
import { anotherTable, restoredCopy } from '../helpers/another-table.ts';
import { companion } from '../helpers/companion.ts';
import { runCauce, spawnCauceSync } from '../helpers/consumer-process.ts';
import { eventually } from '../helpers/eventually.ts';
import { expectSynced, saveUsers, userIds } from '../helpers/expect-synced.ts';
import { createPipeline, type Pipeline } from '../helpers/pipeline.ts';

const mismatch = { code: 'TABLE_MISMATCH', retryable: false };

async function syncedPipeline(): Promise<{ pipeline: Pipeline; sync: PeriodicSync }> {
  const pipeline = await createPipeline();
  const acknowledged = await saveUsers(pipeline, userIds(40), { step: 1 });
  const sync = pipeline.startSync();
  await expectSynced(pipeline, acknowledged);
  return { pipeline, sync };
}

async function snapshotOf({ redis, keyspace }: Pipeline): Promise<Map<string, string>> {
  const keys = await redis.keys(`${keyspace.keyPrefix}:*`);
  // A stream's dump also says when its group was looked at; the heartbeats change every few seconds.
  const kept = keys.filter((key) => !/:(changes|consumers)$/.test(key)).sort();
  return new Map(
    await Promise.all(
      kept.map(
        async (key): Promise<[string, string]> => [key, (await redis.dumpBuffer(key))?.toString('hex') ?? ''],
      ),
    ),
  );
}

test('a consumer that is restarted with another table stops, says which, and writes to neither store', async () => {
  const { pipeline, sync } = await syncedPipeline();
  await sync.stop();
  await saveUsers(pipeline, userIds(40), { step: 2 });
  const before = await snapshotOf(pipeline);
  const other = await anotherTable(pipeline);

  const wrong = pipeline.startSync(other.settings);

  await expect(wrong.finished).rejects.toMatchObject(mismatch);
  const message = await wrong.finished.catch((error: Error) => error.message);
  expect(message).toContain(`${other.schema}.session`);
  expect(message).toContain(`${pipeline.settings.SESSION_DB_SCHEMA}.session`);
  expect(message).toContain('cauce resync --to-this-table');
  expect(await other.countRows()).toBe(0);
  await wrong.stop();
  expect(await snapshotOf(pipeline)).toEqual(before);
});

test('the process ends with exit code 2', async () => {
  const { pipeline, sync } = await syncedPipeline();
  await sync.stop();
  const other = await anotherTable(pipeline);
  const child = await spawnCauceSync(pipeline, other.env);
  expect(await child.exit).toMatchObject({ code: 2 });
  expect(child.output()).toContain('TABLE_MISMATCH');
});

test('of two consumers with two tables behind one prefix the second stops, the first syncs everything', async () => {
  const { pipeline, sync } = await syncedPipeline();
  const other = await anotherTable(pipeline);
  const second = pipeline.startSync(other.settings);
  await expect(second.finished).rejects.toMatchObject(mismatch);
  const acknowledged = await saveUsers(pipeline, userIds(40), { step: 2 });
  await expectSynced(pipeline, acknowledged);
  expect(sync.consumer.readiness).toEqual({ isReady: true });
  expect(await other.countRows()).toBe(0);
});

test('of two consumers that meet a new prefix in the same moment one syncs, and the other stops', async () => {
  const pipeline = await createPipeline({ partitions: 16 });
  const other = await anotherTable(pipeline);
  await saveUsers(pipeline, userIds(40), { step: 1 });
  const both = [pipeline.startSync(), pipeline.startSync(other.settings)];
  const stopped = await Promise.race(both.map((one, i) => one.finished.catch(() => i)));
  const rows = async (): Promise<number[]> => {
    const { rows: own } = await pipeline.pool.query(`SELECT count(*)::int AS count FROM ${pipeline.table}`);
    return [own[0].count, await other.countRows()];
  };
  await eventually(async () => expect(await rows()).toEqual(stopped === 0 ? [0, 40] : [40, 0]));
});

test('what was written before tables had an identity is taken over at the first contact', async () => {
  const { pipeline, sync } = await syncedPipeline();
  await sync.stop();
  const { redis, keyspace } = pipeline;
  for (let partition = 0; partition < keyspace.partitions; partition++) {
    await redis.hdel(keyspace.meta(partition), 'table', 'tableName');
  }
  const acknowledged = await saveUsers(pipeline, userIds(40), { step: 2 });
  pipeline.startSync();
  await expectSynced(pipeline, acknowledged);
  const other = await anotherTable(pipeline);
  await expect(pipeline.startSync(other.settings).finished).rejects.toMatchObject(mismatch);
});

test('a restored copy in another schema gets everything Redis holds when the consumer is restarted with it', async () => {
  const pipeline = await createPipeline();
  const sync = pipeline.startSync();
  // The backup is of before.
  await expectSynced(pipeline, new Map());
  await eventually(async () =>
    expect(await pipeline.redis.hget(pipeline.keyspace.meta(0), 'database')).toBeTruthy(),
  );
  const copy = await restoredCopy(pipeline);
  await expectSynced(pipeline, await saveUsers(pipeline, userIds(40), { step: 1 }));
  await sync.stop();

  pipeline.startSync(copy.settings);
  await eventually(async () => expect(await copy.countRows()).toBe(40));
});

test('the way out: moved to this table on purpose, everything is synced to it, and a consumer of the former one stops', async () => {
  const { pipeline, sync } = await syncedPipeline();
  const other = await anotherTable(pipeline);
  const atOther: Pipeline = { ...pipeline, env: other.env, table: other.table };
  expect(await runCauce(atOther, ['resync'])).toMatchObject({ code: 2 });

  const switched = await runCauce(atOther, ['resync', '--to-this-table', '--yes']);
  expect(switched, switched.output).toMatchObject({ code: 0 });

  await expect(sync.finished).rejects.toMatchObject(mismatch);
  pipeline.startSync(other.settings);
  await eventually(async () => expect(await other.countRows()).toBe(40));
  await expectSynced(atOther, await saveUsers(pipeline, userIds(40), { step: 2 }));
});

test('another table behind the same address: the consumer stops, and what it synced meanwhile is synced again', async () => {
  const { pipeline, sync } = await syncedPipeline();
  const { redis, keyspace, pool, table } = pipeline;
  const identity = companion(table, 'identity');
  const { id } = await pipeline.queries.identifyTable();
  await pool.query(`UPDATE ${identity} SET id = gen_random_uuid()`);
  await expect(sync.finished).rejects.toMatchObject(mismatch);

  // The address leads to the right one again; it has nothing of what was saved since.
  await pool.query(`UPDATE ${identity} SET id = $1`, [id]);
  await pool.query(`DELETE FROM ${table}`);
  expect(await redis.hget(keyspace.meta(0), 'database')).toBe('');
  pipeline.startSync();
  await eventually(async () => {
    const { rows } = await pool.query(`SELECT count(*)::int AS count FROM ${table}`);
    expect(rows[0].count).toBe(40);
  });
});
