import { type RedisCluster, type RedisServer, startRedisCluster } from '@cauce/dev-services';
import { newestClockUs, openRedis } from '@cauce/protocol';
import { beforeAll, expect, it, onTestFinished } from 'vitest';
import { eventually } from '../../helpers/eventually.ts';
import { expectRows, expectSynced, refOf, saveUsers, userIds } from '../../helpers/expect-synced.ts';
import { createPipeline, type Pipeline } from '../../helpers/pipeline.ts';

const PARTITIONS = 32;

let cluster: RedisCluster;

beforeAll(async () => {
  cluster = await startRedisCluster({ extraArgs: ['--cluster-require-full-coverage', 'no'] });
  return () => cluster.stop();
});

const everybody = userIds(400);

/** The users whose partition the server holds, and the others. */
async function split({ keyspace }: Pipeline, server: RedisServer): Promise<[string[], string[]]> {
  const owners = await Promise.all(
    Array.from({ length: PARTITIONS }, async (_, partition) =>
      cluster.ownerOf(await cluster.slotOf(keyspace.changes(partition))),
    ),
  );
  const isThere = (userId: string): boolean => owners[keyspace.locate(refOf(userId)).partition] === server;
  return [everybody.filter(isThere), everybody.filter((userId) => !isThere(userId))];
}

it('while one primary is away, the partitions of the others are synced; its own, when it is back (P9)', async () => {
  const pipeline = await createPipeline({ redisUrl: cluster.url, partitions: PARTITIONS });
  const gone = cluster.nodes[1] as RedisServer;
  const [there, elsewhere] = await split(pipeline, gone);
  expect(there.length).toBeGreaterThan(0);
  expect(elsewhere.length).toBeGreaterThan(0);
  const claimIdleMs = 8000;
  const { consumer } = pipeline.startSync({
    SESSION_SYNC_INTERVAL: 3_600_000,
    SYNC_CLAIM_IDLE: claimIdleMs,
  });
  await eventually(() => expect(consumer.readiness).toEqual({ isReady: true }));
  const acknowledged = await saveUsers(pipeline, everybody, { step: 1 });

  await gone.kill();
  await consumer.syncOnce();
  await eventually(() => expectRows(pipeline, acknowledged, elsewhere), claimIdleMs / 2);
  const reason = expect.stringMatching(/partitions? \d.*(NOT_CONNECTED|CONNECTION_LOST|TIMEOUT|CLUSTERDOWN)/);
  await eventually(() => expect(consumer.readiness).toEqual({ isReady: false, reason }));
  // Sweeps, claims and checks by itself meanwhile, and goes on when the other nodes know.
  for (let step = 2; step < 5; step++) {
    await saveUsers(pipeline, elsewhere, { step }, acknowledged);
    await consumer.sweep(0);
    await consumer.check().catch(() => {});
    await consumer.syncOnce();
    // A pass that a new connection brought about may have some of them.
    await eventually(() => expectRows(pipeline, acknowledged, elsewhere), claimIdleMs / 2);
  }

  await gone.restart();
  await eventually(async () => {
    await consumer.syncOnce();
    expect(await pipeline.countDirty()).toBe(0);
  }, 30_000);
  await expectSynced(pipeline, acknowledged);
  await eventually(() => expect(consumer.readiness).toEqual({ isReady: true }), 3 * claimIdleMs);
});

it('while a slot is on two primaries, the events of other partitions do not wait to be claimed (P9)', async () => {
  const pipeline = await createPipeline({ redisUrl: cluster.url, partitions: PARTITIONS });
  const { keyspace } = pipeline;
  const slot = await cluster.slotOf(keyspace.changes(7));
  const from = await cluster.ownerOf(slot);
  const to = cluster.nodes.find((node) => node !== from) as RedisServer;
  const [movers, others] = [true, false].map((isMover) =>
    everybody.filter((userId) => (keyspace.locate(refOf(userId)).partition === 7) === isMover),
  ) as [string[], string[]];
  const claimIdleMs = 10_000;
  const { consumer } = pipeline.startSync({
    SESSION_SYNC_INTERVAL: 3_600_000,
    SYNC_CLAIM_IDLE: claimIdleMs,
  });
  await eventually(() => expect(consumer.readiness).toEqual({ isReady: true }));
  // In one batch with the others.
  const acknowledged = await saveUsers(pipeline, everybody, { step: 0 });

  let steps = 0;
  await cluster.moveSlot(slot, to, {
    keysAtATime: 4,
    onChunk: async () => {
      if (steps === 3) return;
      const startedAtMs = performance.now();
      await consumer.syncOnce();
      expect(performance.now() - startedAtMs).toBeLessThan(claimIdleMs);
      await expectRows(pipeline, acknowledged, others);
      expect(await pipeline.row(refOf(movers[0] as string))).toBeUndefined();
      // The pass, a claim and the sweep meet it, each in its way; which of them was last is chance.
      await consumer.sweep(0);
      await eventually(() => expect(consumer.readiness.reason).toMatch(/\bpartition 7: Redis /), claimIdleMs);
      steps++;
      await saveUsers(pipeline, others, { step: steps }, acknowledged);
    },
  });
  expect(steps).toBe(3);
  await consumer.syncOnce();
  await expectSynced(pipeline, acknowledged, 3 * claimIdleMs);
});

it('a primary that hangs has no say in what time it is, and the others are asked', async () => {
  const { redis, ready, close } = openRedis(cluster.url, {
    connectionName: 'primary-away-test',
    answerTimeoutMs: 500,
    onError: () => {},
  });
  onTestFinished(close);
  await ready(5000);
  const [hanging] = cluster.nodes as [RedisServer];
  hanging.pause();
  onTestFinished(() => hanging.resume());
  expect(await newestClockUs(redis)).toBeGreaterThan(0);
});
