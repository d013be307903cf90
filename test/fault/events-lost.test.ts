import { expect, test } from 'vitest';
import { expectSynced, saveUsers, userIds } from '../helpers/expect-synced.ts';
import { createPipeline, type Pipeline } from '../helpers/pipeline.ts';

const users = userIds(30);

function eachPartition(pipeline: Pipeline, act: (changes: string) => Promise<unknown>): Promise<unknown[]> {
  const { keyspace } = pipeline;
  return Promise.all(
    Array.from({ length: keyspace.partitions }, (_, partition) => act(keyspace.changes(partition))),
  );
}

test.each<{ fault: string; inject: (pipeline: Pipeline, changes: string) => Promise<unknown> }>([
  { fault: 'the stream is deleted', inject: ({ redis }, changes) => redis.del(changes) },
  {
    fault: 'the group is destroyed',
    inject: ({ redis }, changes) => redis.xgroup('DESTROY', changes, 'sync'),
  },
  { fault: 'the entries are trimmed', inject: ({ redis }, changes) => redis.xtrim(changes, 'MAXLEN', 0) },
  { fault: 'the scripts are flushed', inject: ({ redis }) => redis.script('FLUSH') },
  {
    fault: 'a consumer is deleted with its pending entries',
    async inject({ redis }, changes) {
      await redis.xreadgroup('GROUP', 'sync', 'ghost', 'STREAMS', changes, '>');
      await redis.xgroup('DELCONSUMER', changes, 'sync', 'ghost');
    },
  },
])('$fault, and every session still reaches PostgreSQL (P4)', async ({ inject }) => {
  const pipeline = await createPipeline();
  const sync = pipeline.startSync({ SESSION_SYNC_INTERVAL: 3_600_000 });
  await saveUsers(pipeline, ['first'], 0);
  const acknowledged = await saveUsers(pipeline, users, { step: 1 });
  acknowledged.set('first', {
    version: await pipeline.save({ tenantId: 'acme', userId: 'first' }, 1),
    state: 1,
  });
  await sync.consumer.syncOnce();
  await expectSynced(pipeline, acknowledged);

  await saveUsers(pipeline, users, { step: 2 }, acknowledged);
  await eachPartition(pipeline, (changes) => inject(pipeline, changes));
  await sync.stop();
  pipeline.startSync();
  await expectSynced(pipeline, acknowledged);
});

test('a stream deleted while the consumer runs is noticed, and later saves are synced too (P4)', async () => {
  const pipeline = await createPipeline();
  pipeline.startSync();
  const acknowledged = await saveUsers(pipeline, users, { step: 1 });
  await expectSynced(pipeline, acknowledged);
  for (let step = 2; step < 6; step++) {
    await saveUsers(pipeline, users, { step }, acknowledged);
    await eachPartition(pipeline, (changes) => pipeline.redis.del(changes));
  }
  await saveUsers(pipeline, ['new'], { step: 1 }, acknowledged);
  await expectSynced(pipeline, acknowledged);
});

test('entries that somebody else wrote are removed and change nothing', async () => {
  const pipeline = await createPipeline();
  pipeline.startSync();
  const acknowledged = await saveUsers(pipeline, users, { step: 1 });
  await eachPartition(pipeline, (changes) => pipeline.redis.xadd(changes, '*', 'k', 'not a session key'));
  await eachPartition(pipeline, (changes) => pipeline.redis.xadd(changes, '*', 'other', 'field'));
  await expectSynced(pipeline, acknowledged);
});

test('Redis loses everything: the consumer goes on, and no later save is refused for its version (P3)', async () => {
  const pipeline = await createPipeline();
  const sync = pipeline.startSync();
  const future = (BigInt(Date.now()) * 1000n + 3_600_000_000n).toString();
  const { partition } = pipeline.keyspace.locate({ tenantId: 'acme', userId: 'u0' });
  await pipeline.redis.hset(pipeline.keyspace.meta(partition), 'floor', future);
  const acknowledged = await saveUsers(pipeline, ['u0'], { step: 1 });
  await expectSynced(pipeline, acknowledged);

  // As FLUSHALL, for this keyspace alone: the server is shared.
  const keys = await pipeline.redis.keys(`${pipeline.keyspace.keyPrefix}:*`);
  await pipeline.redis.del(...keys);
  await sync.stop();
  const restarted = pipeline.startSync();
  await expect.poll(() => restarted.consumer.readiness.isReady).toBe(true);
  await saveUsers(pipeline, ['u0'], { step: 2 }, acknowledged);
  await expectSynced(pipeline, acknowledged);
});
