import { readHeartbeats } from '@cauce/admin';
import { RedisError } from '@cauce/protocol';
import { syncToDB } from '@cauce/sync-consumer';
import { expect, test } from 'vitest';
import { eventually } from '../helpers/eventually.ts';
import { expectRows, expectSynced, refOf, saveUsers, userIds } from '../helpers/expect-synced.ts';
import { ownRedis } from '../helpers/own-servers.ts';
import { createPipeline, type Pipeline } from '../helpers/pipeline.ts';
import { watchLog } from '../helpers/watch-log.ts';

const users = userIds(50);

function partitionOf({ keyspace }: Pipeline, userId: string): number {
  return keyspace.locate(refOf(userId)).partition;
}

test.each([
  { kind: 'changes', isLost: true },
  { kind: 'dirty', isLost: false },
  { kind: 'parked', isLost: false },
  { kind: 'meta', isLost: false },
] as const)(
  'a key of a wrong type under the $kind of one partition: all others are synced, and it is, once it is mended (P9)',
  async ({ kind, isLost }) => {
    const pipeline = await createPipeline();
    const { redis, keyspace } = pipeline;
    const log = watchLog();
    const { consumer } = pipeline.startSync({}, { logger: log.logger });
    const acknowledged = await saveUsers(pipeline, users, { step: 1 });
    await expectSynced(pipeline, acknowledged);
    const bad = partitionOf(pipeline, 'u0');
    const others = users.filter((userId) => partitionOf(pipeline, userId) !== bad);
    const key = keyspace[kind](bad);

    await saveUsers(pipeline, users, { step: 2 }, acknowledged);
    // Its events are lost with the stream, and announced again when it is there.
    const isKept = !isLost && (await redis.exists(key)) === 1;
    const spoil = isKept ? redis.multi().rename(key, `${key}:kept`) : redis.multi().del(key);
    await spoil.rpush(key, 'of a wrong type').exec();
    await eventually(() => expectRows(pipeline, acknowledged, others));
    for (let step = 3; step < 6; step++) {
      await saveUsers(pipeline, others, { step }, acknowledged);
      await eventually(() => expectRows(pipeline, acknowledged, others));
    }
    await consumer.syncOnce();
    await consumer.check();
    await consumer.sweep(0);
    const problem = expect.stringMatching(new RegExp(`partition ${bad}: Redis \\w+ failed \\(WRONGTYPE\\)`));
    await eventually(() => expect(consumer.readiness).toEqual({ isReady: false, reason: problem }));
    await eventually(async () => {
      expect(await readHeartbeats(redis, keyspace)).toMatchObject([{ state: 'running', problem }]);
    });
    expect(log.skipped()).toMatchObject([
      { partitions: [bad], reason: expect.stringContaining('WRONGTYPE') },
    ]);
    expect(log.text()).not.toContain('a pass ended early');

    await (isKept ? redis.rename(`${key}:kept`, key) : redis.del(key));
    await expectSynced(pipeline, acknowledged);
    await eventually(() => expect(consumer.readiness).toEqual({ isReady: true }));
  },
);

test('one session of 50 cannot be read: the others are written in the same pass, and it stays as it is (P9)', async () => {
  const pipeline = await createPipeline();
  const { redis, keyspace, redisUrl, databaseUrl, settings } = pipeline;
  const acknowledged = await saveUsers(pipeline, users, { step: 1 });
  const { key, partition } = keyspace.locate(refOf('u7'));
  acknowledged.delete('u7');
  await redis.set(key, 'no session');

  const report = await syncToDB({ redis: redisUrl, database: databaseUrl, settings });
  expect(report).toMatchObject({ written: users.length - 1, skipped: 1, statements: 1 });
  await expectRows(pipeline, acknowledged, users);
  expect([await pipeline.countDirty(), await pipeline.countEvents()]).toEqual([1, 1]);

  const log = watchLog();
  const { consumer } = pipeline.startSync({}, { logger: log.logger });
  const problem = expect.stringContaining(`partition ${partition}: the key of 1 session holds something`);
  await eventually(() => expect(consumer.readiness).toEqual({ isReady: false, reason: problem }));
  await eventually(async () => {
    const heartbeats = await readHeartbeats(redis, keyspace);
    expect(heartbeats).toContainEqual(expect.objectContaining({ state: 'running', problem }));
  });
  // Claimed and swept again and again meanwhile.
  await consumer.sweep(0);
  await saveUsers(pipeline, ['u1'], { step: 2 }, acknowledged);
  await eventually(() => expectRows(pipeline, acknowledged, users));
  expect(log.skipped()).toMatchObject([{ partitions: [partition] }]);
  expect(log.text()).not.toMatch(/u7|acme/);
  expect(await redis.get(key)).toBe('no session');
  expect([await pipeline.countDirty(), await pipeline.countEvents()]).toEqual([1, 1]);

  await redis.del(key);
  await expectSynced(pipeline, acknowledged);
  await eventually(() => expect(consumer.readiness).toEqual({ isReady: true }));
});

test('a session that becomes unreadable after it was taken: its neighbours are settled (P9)', async () => {
  const pipeline = await createPipeline({ partitions: 1 });
  const { redis, keyspace } = pipeline;
  const acknowledged = await saveUsers(pipeline, users, { step: 1 });
  const { key } = keyspace.locate(refOf('u7'));
  let isSpoilt = false;
  pipeline.startSync(
    { SYNC_CLAIM_IDLE: 60_000 },
    {
      onPhase: async (phase) => {
        if (phase !== 'committed' || isSpoilt) return;
        isSpoilt = true;
        await redis.set(key, 'no session');
      },
    },
  );
  await eventually(async () =>
    expect([await pipeline.countDirty(), await pipeline.countEvents()]).toEqual([1, 1]),
  );
  await expectRows(pipeline, acknowledged, users);
  expect(await redis.zrange(keyspace.dirty(0), '0', '-1')).toEqual([key]);
});

test('at the start it waits for every partition, and says for which', async () => {
  const pipeline = await createPipeline();
  const { redis, keyspace } = pipeline;
  const acknowledged = await saveUsers(pipeline, users, { step: 1 });
  await redis.rename(keyspace.changes(2), `${keyspace.keyPrefix}:kept`);
  await redis.rpush(keyspace.changes(2), 'of a wrong type');
  const { consumer } = pipeline.startSync();
  await eventually(() =>
    expect(consumer.readiness.reason).toMatch(/^partition 2: Redis openPartition failed \(WRONGTYPE\)/),
  );
  await redis.rename(`${keyspace.keyPrefix}:kept`, keyspace.changes(2));
  await expectSynced(pipeline, acknowledged);
});

test('a server that is away is not 64 partitions that fail: the pass ends, and it is said once', async () => {
  const server = await ownRedis();
  const pipeline = await createPipeline({ redisUrl: server.url, partitions: 64 });
  const log = watchLog();
  const { consumer } = pipeline.startSync({}, { logger: log.logger });
  const acknowledged = await saveUsers(pipeline, users, { step: 1 });
  await expectSynced(pipeline, acknowledged);
  await server.kill();
  await eventually(() => expect(consumer.readiness.reason).toMatch(/^Redis/));
  await expect(consumer.syncOnce()).rejects.toBeInstanceOf(RedisError);
  await expect(consumer.sweep(0)).rejects.toBeInstanceOf(RedisError);
  expect(log.skipped()).toEqual([]);
  expect(log.text().match(/a pass ended early/g)).toHaveLength(1);
  await server.restart();
  await expectSynced(pipeline, await saveUsers(pipeline, users, { step: 2 }, acknowledged));
});
