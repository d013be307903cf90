import { createSessionClient } from '@cauce/session-client';
import { expect, it, onTestFinished } from 'vitest';
import { snapshot } from '../contract/lua/snapshot.ts';
import { spawnCauceSync } from '../helpers/consumer-process.ts';
import { createPipeline, type Pipeline } from '../helpers/pipeline.ts';

/** A bot opens the first partition and those of its users; the others are not there yet. */
async function withBot(pipeline: Pipeline): Promise<(userId: string) => Promise<unknown>> {
  const { redisUrl: redis, keyspace } = pipeline;
  const sessions = createSessionClient({ redis, keyPrefix: keyspace.keyPrefix, partitions: 4 });
  onTestFinished(() => sessions.close());
  const save = (userId: string): Promise<unknown> => sessions.saveUserState(userId, {});
  await save(userIn(pipeline, 0));
  return save;
}

function userIn({ keyspace }: Pipeline, partition: number): string {
  for (let i = 0; ; i++) {
    const userId = `u${i}`;
    if (keyspace.locate({ tenantId: 'default', userId }).partition === partition) return userId;
  }
}

it.each([
  { protocol: '1', minProtocol: '1' },
  { protocol: '3', minProtocol: '3' },
])(
  'a consumer that refuses the protocol $protocol of one partition has not opened the others',
  async (written) => {
    const pipeline = await createPipeline({ partitions: 4 });
    await withBot(pipeline);
    await pipeline.redis.hset(pipeline.keyspace.meta(0), written);
    const before = await snapshot(pipeline.redis, pipeline.keyspace.keyPrefix);
    const consumer = await spawnCauceSync(pipeline);
    expect((await consumer.exit).code).not.toBe(0);
    expect(await snapshot(pipeline.redis, pipeline.keyspace.keyPrefix)).toEqual(before);
  },
);

it('a consumer that is set to another number of partitions, and refuses, keeps no bot from its sessions', async () => {
  const pipeline = await createPipeline({ partitions: 4 });
  const save = await withBot(pipeline);
  const mistaken = await spawnCauceSync(pipeline, { SESSION_PARTITIONS: '8' });
  expect((await mistaken.exit).code).not.toBe(0);
  await save(userIn(pipeline, 3));
});

it('a consumer that is set to another number of partitions, and refuses, works when that is corrected', async () => {
  const pipeline = await createPipeline({ partitions: 4 });
  const save = await withBot(pipeline);
  for (const partition of [1, 2, 3]) await save(userIn(pipeline, partition));
  const mistaken = await spawnCauceSync(pipeline, { SESSION_PARTITIONS: '2' });
  expect((await mistaken.exit).code).not.toBe(0);
  const consumer = await spawnCauceSync(pipeline);
  await Promise.race([consumer.waitForLine('syncing sessions'), consumer.exit]);
  expect(consumer.output()).not.toContain('LAYOUT');
  expect(consumer.output()).toContain('syncing sessions');
});
