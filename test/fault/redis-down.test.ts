import { expect, test } from 'vitest';
import { eventually } from '../helpers/eventually.ts';
import { type Acknowledged, expectSynced, refOf, saveUsers, userIds } from '../helpers/expect-synced.ts';
import { ownRedis } from '../helpers/own-servers.ts';
import { createPipeline } from '../helpers/pipeline.ts';

const users = userIds(100);

test('Redis killed under load and restarted: every acknowledged save is there and arrives (P1, P4)', async () => {
  const server = await ownRedis();
  const pipeline = await createPipeline({ redisUrl: server.url });
  pipeline.startSync();
  const acknowledged: Acknowledged = new Map();
  const unknown = new Set<string>();
  for (let round = 0; round < 5; round++) {
    let isUp = true;
    const load = users.map(async (userId) => {
      for (let step = 0; isUp; step++) {
        const state = { round, step };
        try {
          acknowledged.set(userId, { version: await pipeline.save(refOf(userId), state), state });
          unknown.delete(userId);
        } catch {
          unknown.add(userId);
          return;
        }
      }
    });
    await eventually(() => expect(acknowledged.size).toBe(users.length));
    await server.kill('SIGKILL');
    isUp = false;
    await Promise.all(load);
    await server.restart();
    await eventually(() => pipeline.redis.ping());
  }
  // A save without an answer may have happened; one more makes every outcome known.
  await saveUsers(pipeline, [...unknown], 'known again', acknowledged);
  await expectSynced(pipeline, acknowledged);
});

test('Redis is out of memory: saves are refused cleanly, the consumer drains to zero, saves resume (P7)', async () => {
  const server = await ownRedis({ maxMemoryBytes: 12 * 1024 * 1024 });
  const pipeline = await createPipeline({ redisUrl: server.url });
  const acknowledged: Acknowledged = new Map();
  const padding = 'x'.repeat(8000);
  let refusal = '';
  for (let i = 0; refusal === ''; i++) {
    const state = { i, padding };
    try {
      acknowledged.set(`u${i}`, { version: await pipeline.save(refOf(`u${i}`), state), state });
    } catch (error) {
      refusal = String(error);
    }
  }
  expect(refusal).toContain('OOM');
  const dirty = await pipeline.countDirty();
  expect(dirty).toBe(acknowledged.size);
  expect(dirty).toBeGreaterThan(100);

  pipeline.startSync({ SESSION_TTL: 1 });
  await expectSynced(pipeline, acknowledged);
  // Clean sessions expire after their second and make room, without a restart.
  await eventually(async () => {
    const state = { after: true };
    acknowledged.set('later', { version: await pipeline.save(refOf('later'), state), state });
  });
  await expectSynced(pipeline, acknowledged);
});

test('an eviction policy that may drop unsynced sessions is refused at the start (P2)', async () => {
  const server = await ownRedis({ maxMemoryBytes: 50_000_000, maxMemoryPolicy: 'allkeys-lru' });
  const pipeline = await createPipeline({ redisUrl: server.url });
  const sync = pipeline.startSync();
  await expect(sync.finished).rejects.toMatchObject({ code: 'REDIS_UNSAFE' });
});

test('another partition count than the data was written with is refused (both stores)', async () => {
  const pipeline = await createPipeline({ partitions: 4 });
  const sync = pipeline.startSync();
  await eventually(() => expect(sync.consumer.readiness.isReady).toBe(true));
  const other = pipeline.startSync({ SESSION_PARTITIONS: 8 });
  await expect(other.finished).rejects.toMatchObject({ code: 'LAYOUT_MISMATCH' });
  await pipeline.pool.query(`DELETE FROM ${pipeline.table.replace('"session"', '"session_layout"')}`);
  const otherInRedis = pipeline.startSync({ SESSION_PARTITIONS: 8 });
  await expect(otherInRedis.finished).rejects.toThrow('The data in Redis was written with 4 partitions');
});

test('the eviction policy turns unsafe while it runs: it says so and drains all the same (P2, P4)', async () => {
  const server = await ownRedis({ maxMemoryBytes: 50_000_000 });
  const pipeline = await createPipeline({ redisUrl: server.url });
  const sync = pipeline.startSync();
  await eventually(() => expect(sync.consumer.readiness.isReady).toBe(true));
  await pipeline.redis.config('SET', 'maxmemory-policy', 'allkeys-lru');
  await sync.consumer.check();
  expect(sync.consumer.readiness.reason).toMatch('allkeys-lru');
  const acknowledged = await saveUsers(pipeline, users, { step: 1 });
  await expectSynced(pipeline, acknowledged);
  expect(sync.consumer.readiness.isReady).toBe(false);

  await pipeline.redis.config('SET', 'maxmemory-policy', 'noeviction');
  await sync.consumer.check();
  expect(sync.consumer.readiness).toEqual({ isReady: true });
});
