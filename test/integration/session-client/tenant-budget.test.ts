import type { SessionRef } from '@cauce/protocol';
import { SESSION_HASH } from '@cauce/protocol';
import { createSessionClient, type SessionClient, TenantBudgetError } from '@cauce/session-client';
import { expect, onTestFinished, test } from 'vitest';
import { eventually } from '../../helpers/eventually.ts';
import { createPipeline, type Pipeline } from '../../helpers/pipeline.ts';
import { sessionTexts } from '../../helpers/session-hash.ts';

const MAX_STATE_BYTES = 1000;
const greedy = (i: number): SessionRef => ({ tenantId: 'greedy', userId: `user${i}` });
const other: SessionRef = { tenantId: 'other', userId: 'ana' };
/** 900 bytes as JSON. */
const large = 'x'.repeat(898);

/** Of two partitions, so each tenant may have 5,000 bytes in each. */
async function openBudgeted(): Promise<{ pipeline: Pipeline; client: SessionClient<unknown> }> {
  const pipeline = await createPipeline({ partitions: 2 });
  const client = createSessionClient<unknown>({
    redis: pipeline.redisUrl,
    keyPrefix: pipeline.keyspace.keyPrefix,
    partitions: 2,
    maxStateBytes: MAX_STATE_BYTES,
    tenantBudgetBytes: 10_000,
  });
  onTestFinished(() => client.close());
  return { pipeline, client };
}

async function saveUntilRefused(
  client: SessionClient<unknown>,
): Promise<{ saved: SessionRef[]; refused: SessionRef }> {
  const saved: SessionRef[] = [];
  for (let i = 0; ; i++) {
    try {
      await client.saveUserState(greedy(i), large);
      saved.push(greedy(i));
    } catch (error) {
      if (!(error instanceof TenantBudgetError)) throw error;
      return { saved, refused: greedy(i) };
    }
  }
}

/** What is counted, and what the dirty sessions take. */
async function countedAndTrue({ redis, keyspace }: Pipeline): Promise<[counted: number, unsynced: number]> {
  let [counted, unsynced] = [0, 0];
  for (let partition = 0; partition < keyspace.partitions; partition++) {
    for (const bytes of await redis.hvals(keyspace.unsynced(partition))) counted += Number(bytes);
    for (const key of await redis.zrange(keyspace.dirty(partition), '0', '-1'))
      unsynced += await redis.hstrlen(key, SESSION_HASH.state);
  }
  return [counted, unsynced];
}

test('a tenant over its budget is refused, others are not, and once it is drained it may save again', async () => {
  const { pipeline, client } = await openBudgeted();
  const { saved, refused } = await saveUntilRefused(client);
  expect(saved.length).toBeGreaterThanOrEqual(5);
  expect(saved.length).toBeLessThanOrEqual(10);
  expect(await client.getUserState(refused)).toBeUndefined();
  const error = await client.saveUserState(refused, large).catch((why: unknown) => why);
  expect(error).toMatchObject({
    code: 'TENANT_OVER_BUDGET',
    retryable: true,
    unsyncedBytes: 4500,
    budgetBytes: 5000,
  });
  expect(String(error)).toContain('tenantBudgetBytes');
  expect(String(error)).not.toContain('greedy');

  // What makes a session no larger is never refused, and no other tenant is.
  const first = saved[0] as SessionRef;
  await client.saveUserState(first, large.toUpperCase());
  await client.clearUserState(saved[1] as SessionRef);
  await client.saveUserState(other, large);
  expect((await countedAndTrue(pipeline))[0]).toBe((await countedAndTrue(pipeline))[1]);

  pipeline.startSync();
  await eventually(async () => expect(await pipeline.countDirty()).toBe(0));
  expect(await countedAndTrue(pipeline)).toEqual([0, 0]);
  await client.saveUserState(refused, large);
  await eventually(async () => expect(await pipeline.row(refused)).toMatchObject({ state: large }));
});

test('saves of one turn are counted one by one, and each is applied or refused for itself', async () => {
  const { pipeline, client } = await openBudgeted();
  const all = await Promise.allSettled(
    Array.from({ length: 30 }, (_, i) => client.saveUserState(greedy(i), large)),
  );
  const saved = all.filter(({ status }) => status === 'fulfilled').length;
  expect(saved).toBe(10);
  expect(await countedAndTrue(pipeline)).toEqual([9000, 9000]);
  expect(await pipeline.countDirty()).toBe(10);
});

test('a count that drifted is counted again with the next sync, also while a session stays dirty', async () => {
  const { pipeline, client } = await openBudgeted();
  const { redis, keyspace } = pipeline;
  await pipeline.pool.query(`ALTER TABLE ${pipeline.table} ADD CHECK (tenant_id <> 'parked') NOT VALID`);
  const parked = { tenantId: 'parked', userId: 'cy' };
  const { partition } = keyspace.locate(parked);
  await client.saveUserState(parked, large);
  await redis.hset(
    keyspace.unsynced(partition),
    'greedy',
    1_000_000,
    'parked',
    'no number',
    'other',
    -1_000_000,
  );
  pipeline.startSync();
  await eventually(async () => expect(await redis.hlen(keyspace.parked(partition))).toBe(1));

  const inPartition = Array.from({ length: 20 }, (_, i) => ({ tenantId: 'quiet', userId: `user${i}` })).find(
    (ref) => keyspace.locate(ref).partition === partition,
  ) as SessionRef;
  await client.saveUserState(inPartition, large);
  await eventually(async () => expect(await pipeline.countDirty()).toBe(1));
  expect(await redis.hgetall(keyspace.unsynced(partition))).toEqual({ parked: '900' });
  await client.saveUserState(greedy(0), large);
});

test('with many sessions dirty what is synced is subtracted, a tombstone too', async () => {
  const { pipeline, client } = await openBudgeted();
  const { redis, keyspace, scripts } = pipeline;
  const refs = Array.from({ length: 300 }, (_, i) => ({ tenantId: `tenant${i % 100}`, userId: `user${i}` }));
  for (const ref of refs) await client.saveUserState(ref, large);
  const [kept, cleared] = refs as [SessionRef, SessionRef];
  await client.clearUserState(cleared);
  expect(await countedAndTrue(pipeline)).toEqual([299 * 900, 299 * 900]);
  await settle(kept);
  await settle(cleared);
  expect(await countedAndTrue(pipeline)).toEqual([298 * 900, 298 * 900]);

  // What is no number is in nobody's way.
  const [, , other] = refs as [SessionRef, SessionRef, SessionRef];
  await redis.hset(keyspace.unsynced(keyspace.locate(other).partition), other.tenantId, 'no number');
  await settle(other);
  expect(await sessionTexts(redis, keyspace.locate(other).key)).toMatchObject({ dirty: '0' });
  await client.saveUserState(other, large);

  async function settle(ref: SessionRef): Promise<void> {
    const { partition, key } = keyspace.locate(ref);
    const { version: written } = await sessionTexts(redis, key);
    await scripts.settle(partition, [{ key, written, eventIds: [] }], { ttlMs: 60_000, takenAtUs: '0' });
  }
});

test('P1 with something else in place of the counts a save is refused, and has changed nothing', async () => {
  const { pipeline, client } = await openBudgeted();
  const { redis, keyspace } = pipeline;
  const { partition, key } = keyspace.locate(other);
  await redis.set(keyspace.unsynced(partition), 'no hash');
  await expect(client.saveUserState(other, large)).rejects.toMatchObject({
    code: 'SAVE_REJECTED',
    failure: { reason: 'WRONGTYPE' },
  });
  expect(await redis.exists(key, keyspace.dirty(partition))).toBe(0);
  expect(await pipeline.countEvents()).toBe(0);
});

test('without a budget nothing is counted', async () => {
  const pipeline = await createPipeline({ partitions: 2 });
  const { redis, keyspace } = pipeline;
  const client = createSessionClient<unknown>({
    redis: pipeline.redisUrl,
    keyPrefix: keyspace.keyPrefix,
    partitions: 2,
  });
  onTestFinished(() => client.close());
  for (let i = 0; i < 50; i++) await client.saveUserState(greedy(i), large);
  expect(await redis.exists(keyspace.unsynced(0), keyspace.unsynced(1))).toBe(0);
});
