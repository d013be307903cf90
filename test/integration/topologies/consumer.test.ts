import { type RedisCluster, type RedisServer, startRedisCluster } from '@cauce/dev-services';
import { createSessionClient } from '@cauce/session-client';
import { Redis } from 'ioredis';
import { beforeAll, expect, it, onTestFinished } from 'vitest';
import { type Cli, createCli, secretState, user } from '../../cli/cli.ts';
import { spawnCauceSync } from '../../helpers/consumer-process.ts';
import { eventually } from '../../helpers/eventually.ts';
import { expectSynced, saveUsers, userIds } from '../../helpers/expect-synced.ts';
import { createPipeline, type Pipeline } from '../../helpers/pipeline.ts';

const PARTITIONS = 64;

let cluster: RedisCluster;

beforeAll(async () => {
  cluster = await startRedisCluster();
  return () => cluster.stop();
});

function connect({ url }: RedisServer): Redis {
  const redis = new Redis(url);
  onTestFinished(() => redis.disconnect());
  return redis;
}

/** Enough that every partition has some. */
const everybody = userIds(600);

function expectEveryPartition({ keyspace }: Pipeline): void {
  const used = new Set(everybody.map((userId) => keyspace.locate({ tenantId: 'acme', userId }).partition));
  expect(used.size).toBe(PARTITIONS);
}

it('the consumer process syncs all partitions of all primaries', async () => {
  const pipeline = await createPipeline({ redisUrl: cluster.url, partitions: PARTITIONS });
  expectEveryPartition(pipeline);
  const acknowledged = await saveUsers(pipeline, everybody, { step: 'one' });
  const sync = await spawnCauceSync(pipeline);
  await expectSynced(pipeline, acknowledged);
  await saveUsers(pipeline, everybody.slice(0, 100), { step: 'two' }, acknowledged);
  await expectSynced(pipeline, acknowledged);
  expect(await sync.kill('SIGTERM')).toEqual({ code: 0, signal: null });
});

async function createClusterCli(): Promise<Cli> {
  return createCli({ redisUrl: cluster.url, partitions: PARTITIONS });
}

it('cauce status counts over all primaries', async () => {
  const cli = await createClusterCli();
  await saveUsers(cli, everybody, secretState());
  const { code, json } = await cli.runJson(['status']);
  expect(code).toBe(3);
  expect(json).toMatchObject({
    sync: { dirtySessions: everybody.length, streamEvents: everybody.length, pendingEvents: 0 },
    problems: [{ code: 'NO_CONSUMER' }],
  });
  const used = await Promise.all(
    cluster.nodes.map(async (node) => Number(/used_memory:(\d+)/.exec(await connect(node).info())?.[1])),
  );
  const { redis } = json as { redis: { usedMemoryBytes: number } };
  expect(redis.usedMemoryBytes).toBeGreaterThan(2 * Math.max(...used) * 0.8);
});

it('cauce pending and replay find what a dead consumer left in every partition', async () => {
  const cli = await createClusterCli();
  const acknowledged = await saveUsers(cli, everybody, secretState());
  expect(await cli.abandon('dead')).toBe(everybody.length);
  const pending = await cli.runJson(['pending']);
  const { consumers } = pending.json as { consumers: { partition: number; events: number }[] };
  expect(consumers).toHaveLength(PARTITIONS);
  expect(consumers.reduce((sum, { events }) => sum + events, 0)).toBe(everybody.length);
  const replayed = await cli.runJson(['replay', '--min-idle', '0ms']);
  expect(replayed.json).toMatchObject({ found: everybody.length, claimed: everybody.length });
  await expectSynced(cli, acknowledged);
});

it('cauce drain empties the cluster, and verify compares every session on every primary', async () => {
  const cli = await createClusterCli();
  const acknowledged = await saveUsers(cli, everybody, secretState());
  const drained = await cli.runJson(['drain']);
  expect(drained.json).toMatchObject({ isEmpty: true });
  await expectSynced(cli, acknowledged);
  expect((await cli.runJson(['verify'])).json).toMatchObject({
    checked: everybody.length,
    different: 0,
  });
  await cli.pool.query(`DELETE FROM ${cli.table} WHERE user_id IN ('u1', 'u2', 'u3', 'u4')`);
  const verified = await cli.runJson(['verify']);
  expect(verified.code).toBe(3);
  expect(verified.json).toMatchObject({ different: 4, byDifference: { missing: 4 } });
  expect(await cli.row(user('u1'))).toBeUndefined();
});

it('a slot moves to another primary while bot and consumer go on: nothing is lost, the group comes along', async () => {
  const pipeline = await createPipeline({ redisUrl: cluster.url, partitions: PARTITIONS });
  const { keyspace } = pipeline;
  const partition = 7;
  const members = userIds(5000).filter(
    (userId) => keyspace.locate({ tenantId: 'acme', userId }).partition === partition,
  );
  const [movers, quiet] = [members.slice(0, 10), members.slice(10)];
  await using sessions = createSessionClient<{ count: number }>({
    redis: cluster.url,
    keyPrefix: keyspace.keyPrefix,
    partitions: PARTITIONS,
    // Redirections end long before.
    commandTimeoutMs: 10_000,
  });
  let passes = 0;
  const onPhase = async (phase: string): Promise<void> => {
    if (phase === 'read') passes++;
  };
  const sync = pipeline.startSync({ SESSION_SYNC_INTERVAL: 500 }, { onPhase });
  let isMoving = true;
  const acknowledged = new Map<string, { version: string; state: unknown }>();
  const refusals: unknown[] = [];
  const talk = async (userId: string): Promise<void> => {
    for (let count = 1; isMoving || !acknowledged.has(userId); count++) {
      try {
        const { version } = await sessions.saveUserState({ tenantId: 'acme', userId }, { count });
        acknowledged.set(userId, { version, state: { count } });
      } catch (error) {
        refusals.push(error);
      }
    }
  };
  const talking = Promise.all([...movers, ...everybody.slice(0, 10)].map(talk));
  await eventually(() => expect(acknowledged.size).toBeGreaterThan(movers.length));

  const changes = keyspace.changes(partition);
  const slot = await cluster.slotOf(changes);
  const from = await cluster.ownerOf(slot);
  const to = cluster.nodes.find((node) => node !== from) as RedisServer;
  // Not synced yet when they move, and nobody saves them again.
  await saveUsers(pipeline, quiet, { step: 'quiet' }, acknowledged);
  let passesBefore: number | undefined;
  const moved = await cluster.moveSlot(slot, to, {
    keysAtATime: 5,
    onChunk: async (movedKeys) => {
      if (movedKeys < 20 || passesBefore !== undefined) return;
      // The consumer works while the slot is on two primaries.
      passesBefore = passes;
      await eventually(() => expect(passes).toBeGreaterThan(passesBefore ?? 0));
    },
  });
  isMoving = false;
  await talking;

  expect(moved.keys).toBeGreaterThan(members.length);
  // A save was refused, if at all, because its keys were on two nodes: never unknown.
  for (const refusal of refusals) expect(refusal).toMatchObject({ code: 'SAVE_REJECTED' });
  await expectSynced(pipeline, acknowledged);
  const groups = (await connect(to).xinfo('GROUPS', changes)) as unknown[][];
  expect(groups).toHaveLength(1);
  expect(groups[0]).toContain('sync');
  expect(
    await connect(from)
      .exists(changes)
      .catch(({ message }: Error) => message),
  ).toMatch(/^MOVED/);
  await eventually(() => expect(sync.consumer.readiness).toEqual({ isReady: true }));
});
