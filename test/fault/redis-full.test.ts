import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { isCauceError, type SessionRef } from '@cauce/protocol';
import { createSessionClient } from '@cauce/session-client';
import { createPostgresLoader } from '@cauce/session-client/postgres';
import { createLogger } from '@cauce/sync-consumer';
import { expect, onTestFinished, test } from 'vitest';
import { eventually } from '../helpers/eventually.ts';
import { ownRedis } from '../helpers/own-servers.ts';
import { createPipeline, type Pipeline } from '../helpers/pipeline.ts';
import { sessionTexts } from '../helpers/session-hash.ts';

const compose = readFileSync(join(import.meta.dirname, '../../docker-compose.yml'), 'utf8');
const shippedPolicy = /--maxmemory-policy\n\s*- (\S+)/.exec(compose)?.[1] ?? '';

test('P7 one tenant fills Redis: once it is drained the saves of the others get through, and nothing is lost', async () => {
  const redis = await ownRedis({ maxMemoryBytes: 24 * 1024 * 1024, maxMemoryPolicy: shippedPolicy });
  const pipeline = await createPipeline({ redisUrl: redis.url });
  const saved = await saveUntilFull(pipeline, 'greedy');
  expect(await pipeline.countDirty()).toBe(saved);

  pipeline.startSync();
  await eventually(async () => expect(await pipeline.countDirty()).toBe(0), 30_000);
  const { rows } = await pipeline.pool.query<{ rows: number }>(
    `SELECT count(*)::int AS rows FROM ${pipeline.table} WHERE tenant_id = 'greedy'`,
  );
  expect(rows[0]?.rows).toBe(saved);

  const others = Array.from({ length: 200 }, (_, i) => ({ tenantId: 'other', userId: `user${i}` }));
  const outcomes = await Promise.allSettled(others.map((ref) => pipeline.save(ref, 'x'.repeat(5000))));
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(others.length);
}, 60_000);

test('P2 only what PostgreSQL has, a lease or a cache has a TTL and may be evicted', async () => {
  const pipeline = await createPipeline({ partitions: 1 });
  const { keyspace, redis } = pipeline;
  const [synced, restored, missed, parked, dirty] = ['synced', 'restored', 'missed', 'parked', 'dirty'].map(
    (userId) => ({ tenantId: 'acme', userId }),
  ) as [SessionRef, SessionRef, SessionRef, SessionRef, SessionRef];
  const schema = String(pipeline.settings.SESSION_DB_SCHEMA);
  const loader = createPostgresLoader({ pool: pipeline.pool, schema });
  const client = createSessionClient({
    redis: pipeline.redisUrl,
    keyPrefix: keyspace.keyPrefix,
    partitions: 1,
    loader,
  });
  onTestFinished(() => client.close());

  const sync = pipeline.startSync();
  await pipeline.pool.query(
    `ALTER TABLE ${pipeline.table} ADD CHECK (user_id <> 'parked' OR state IS NULL) NOT VALID`,
  );
  for (const ref of [synced, restored, parked]) await client.saveUserState(ref, { step: 1 });
  await eventually(async () => {
    expect(await redis.hlen(keyspace.parked(0))).toBe(1);
    expect(await pipeline.countDirty()).toBe(1);
  });
  await sync.stop();
  await redis.del(keyspace.locate(restored).key);
  expect(await client.getUserState(restored)).toEqual({ step: 1 });
  expect(await client.getUserState(missed)).toBeUndefined();
  await client.getTenantInfo('acme', async () => ({ name: 'Acme' }));
  await client.saveUserState(dirty, { step: 1 });

  const keys = await redis.keys(`${keyspace.keyPrefix}:*`);
  const kept = [dirty, parked].map((ref) => keyspace.locate(ref).key);
  expect(keys).toEqual(expect.arrayContaining([...kept, keyspace.changes(0), keyspace.dirty(0)]));
  const evictable: string[] = [];
  for (const key of keys) if ((await redis.pttl(key)) >= 0) evictable.push(key);
  const isDisposable = async (key: string): Promise<boolean> =>
    key.includes(':{tenant:') ||
    (keyspace.parse(key) !== undefined && (await sessionTexts(redis, key)).dirty !== '1');
  expect(evictable.length).toBeGreaterThanOrEqual(4);
  for (const key of evictable) expect(await isDisposable(key), key).toBe(true);
});

test('a warning about Redis is logged once as long as it lasts', async () => {
  const redis = await ownRedis({ maxMemoryBytes: 100 * 1024 * 1024, maxMemoryPolicy: 'noeviction' });
  const pipeline = await createPipeline({ redisUrl: redis.url });
  const lines: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      done();
    },
  });
  const { consumer } = pipeline.startSync({}, { logger: createLogger('warn', stream) });
  const warned = () => lines.filter((line) => line.includes('maxmemory-policy is noeviction')).length;
  await eventually(() => expect(consumer.readiness.isReady).toBe(true));
  await consumer.check();
  expect(warned()).toBe(1);
  await pipeline.redis.config('SET', 'maxmemory-policy', 'volatile-lru');
  await consumer.check();
  await pipeline.redis.config('SET', 'maxmemory-policy', 'noeviction');
  await consumer.check();
  expect(warned()).toBe(2);
});

/** Returns how many sessions were acknowledged before Redis refused one. */
async function saveUntilFull(pipeline: Pipeline, tenantId: string): Promise<number> {
  for (let saved = 0; ; saved++) {
    try {
      await pipeline.save({ tenantId, userId: `user${saved}` }, 'x'.repeat(20_000));
    } catch (error) {
      if (isCauceError(error) && error.message.includes('OOM')) return saved;
      throw error;
    }
  }
}
