import { expect, test } from 'vitest';
import { spawnCauceSync } from '../helpers/consumer-process.ts';
import { eventually } from '../helpers/eventually.ts';
import { expectSynced, saveUsers, userIds } from '../helpers/expect-synced.ts';
import { createPipeline } from '../helpers/pipeline.ts';

test('SIGTERM under load ends the process with 0 within 10 s, leaves no name in the group and nothing lost (P4)', async () => {
  const pipeline = await createPipeline();
  const users = userIds(200);
  const acknowledged = await saveUsers(pipeline, users, { step: 0 });
  const consumer = await spawnCauceSync(pipeline, { SESSION_SYNC_INTERVAL: '10' });
  await consumer.waitForLine('syncing sessions');
  let isSaving = true;
  const load = (async () => {
    for (let step = 1; isSaving; step++) await saveUsers(pipeline, users, { step }, acknowledged);
  })();

  await eventually(async () => {
    const { rows } = await pipeline.pool.query(`SELECT count(*)::int AS count FROM ${pipeline.table}`);
    expect(rows).toEqual([{ count: 200 }]);
  });
  const startedAtMs = Date.now();
  expect(await consumer.kill('SIGTERM')).toEqual({ code: 0, signal: null });
  expect(Date.now() - startedAtMs).toBeLessThan(10_000);
  isSaving = false;
  await load;

  for (let partition = 0; partition < pipeline.keyspace.partitions; partition++) {
    expect(await pipeline.redis.xinfo('CONSUMERS', pipeline.keyspace.changes(partition), 'sync')).toEqual([]);
  }
  pipeline.startSync();
  await expectSynced(pipeline, acknowledged);
});

test('a process with wrong settings names every one of them and exits with 2', async () => {
  const pipeline = await createPipeline({ migrated: false });
  const consumer = await spawnCauceSync(pipeline, {
    DATABASE_URL: 'mysql://user:s3cr3t-CANARY@host/db',
    SESSION_PARTITIONS: '63',
    SESSION_TTL: 'soon',
  });
  expect(await consumer.exit).toEqual({ code: 2, signal: null });
  const output = consumer.output();
  for (const name of ['DATABASE_URL', 'SESSION_PARTITIONS', 'SESSION_TTL']) expect(output).toContain(name);
  expect(output).not.toContain('CANARY');
});
