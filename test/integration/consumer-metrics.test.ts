import type { SpawnedProcess } from '@cauce/dev-services';
import type { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { spawnCauceSync } from '../helpers/consumer-process.ts';
import { ownRedis } from '../helpers/own-servers.ts';
import { createPipeline, type Pipeline } from '../helpers/pipeline.ts';

/** Nobody listens there: sessions stay dirty. */
const NO_POSTGRES = 'postgres://cauce@127.0.0.1:1/cauce';

test('the first scrape finds Redis up, and every number is of the same moment', async () => {
  const pipeline = await createPipeline({ partitions: 64 });
  for (let i = 0; i < 20; i++) await pipeline.save({ tenantId: 'acme', userId: `user${i}` }, i);
  const consumer = await startConsumer(pipeline, { DATABASE_URL: NO_POSTGRES });
  const first = await consumer.scrape();
  expect(first).toMatchObject({
    cauce_redis_up: 1,
    cauce_dirty_sessions: 20,
    cauce_stream_events: 20,
    cauce_pending_events: 0,
    cauce_parked_sessions: 0,
    cauce_unmeasured_partitions: 0,
  });
  expect(first.cauce_oldest_dirty_age_seconds).toBeGreaterThan(0);
  for (let i = 20; i < 30; i++) await pipeline.save({ tenantId: 'acme', userId: `user${i}` }, i);
  expect(await consumer.scrape()).toMatchObject({ cauce_dirty_sessions: 30, cauce_stream_events: 30 });
});

test('every series of a closed set of labels is there from the start', async () => {
  const consumer = await startConsumer(await createPipeline(), { DATABASE_URL: NO_POSTGRES });
  const samples = await consumer.scrape();
  for (const name of ['refused', 'misconfigured'].map(
    (failureClass) => `cauce_sync_failures_total{class="${failureClass}"}`,
  )) {
    expect(samples[name], name).toBe(0);
  }
  expect(samples['cauce_sync_failures_total{class="transient"}']).toBeGreaterThanOrEqual(0);
  for (const outcome of [
    'written',
    'duplicate',
    'superseded',
    'conflict',
    'reissued',
    'parked',
    'held',
    'clean',
    'postponed',
    'fenced',
    'skipped',
  ])
    expect(samples[`cauce_synced_sessions_total{outcome="${outcome}"}`], outcome).toBe(0);
});

test('with Redis hung a scrape ends within 2 s, says so, and repeats no old number', async () => {
  const redis = await ownRedis();
  const pipeline = await createPipeline({ redisUrl: redis.url });
  await pipeline.save({ tenantId: 'acme', userId: 'ana' }, 1);
  const consumer = await startConsumer(pipeline, { DATABASE_URL: NO_POSTGRES });
  expect(await consumer.scrape()).toMatchObject({ cauce_redis_up: 1, cauce_dirty_sessions: 1 });
  redis.pause();
  const startedAtMs = performance.now();
  const samples = await consumer.scrape();
  expect(performance.now() - startedAtMs).toBeLessThan(4000);
  expect(samples.cauce_redis_up).toBe(0);
  expect(Object.keys(samples)).not.toContain('cauce_dirty_sessions');
  expect(samples['cauce_synced_sessions_total{outcome="written"}']).toBe(0);
  redis.resume();
  await expect
    .poll(() => consumer.scrape(), { timeout: 10_000 })
    .toMatchObject({
      cauce_redis_up: 1,
      cauce_dirty_sessions: 1,
    });
});

test('the share of memory used is of maxmemory, and of the host where there is no limit', async () => {
  const redis = await ownRedis();
  const pipeline = await createPipeline({ redisUrl: redis.url });
  const consumer = await startConsumer(pipeline, { DATABASE_URL: NO_POSTGRES });
  const unlimited = await consumer.scrape();
  expect(unlimited.cauce_redis_maxmemory_bytes).toBe(0);
  expect(unlimited.cauce_redis_memory_used_ratio).toBeGreaterThan(0);
  expect(unlimited.cauce_redis_memory_used_ratio).toBeLessThan(1);

  const maxBytes = 2 * Number(await infoField(pipeline.redis, 'memory', 'used_memory'));
  await pipeline.redis.config('SET', 'maxmemory', maxBytes);
  await expect
    .poll(() => consumer.scrape().then((samples) => samples.cauce_redis_memory_used_ratio))
    .toBeGreaterThan(0.4);
  expect((await consumer.scrape()).cauce_redis_maxmemory_bytes).toBe(maxBytes);
});

test('P9 a key of a wrong type keeps the scrape from its partition only, and Redis is up', async () => {
  const pipeline = await createPipeline({ partitions: 4 });
  const refs = Array.from({ length: 20 }, (_, i) => ({ tenantId: 'acme', userId: `user${i}` }));
  for (const ref of refs) await pipeline.save(ref, 1);
  const inOthers = refs.filter((ref) => pipeline.keyspace.locate(ref).partition !== 3).length;
  await pipeline.redis.set(pipeline.keyspace.parked(3), 'no hash');
  const consumer = await startConsumer(pipeline, { DATABASE_URL: NO_POSTGRES });
  expect(await consumer.scrape()).toMatchObject({
    cauce_redis_up: 1,
    cauce_unmeasured_partitions: 1,
    cauce_dirty_sessions: inOthers,
  });
});

test('a flood of scrapes shares its measurements, and /healthz answers meanwhile', async () => {
  const redis = await ownRedis();
  const pipeline = await createPipeline({ redisUrl: redis.url, partitions: 64 });
  const consumer = await startConsumer(pipeline, { DATABASE_URL: NO_POSTGRES });
  await consumer.scrape();
  const before = await callsOf(pipeline.redis, 'zcard');
  let isOver = false;
  const flood = Promise.all(Array.from({ length: 50 }, () => scrapeOften(10))).finally(() => {
    isOver = true;
  });
  let slowestMs = 0;
  while (!isOver) {
    const startedAtMs = performance.now();
    await fetch(`${consumer.url}/healthz`);
    slowestMs = Math.max(slowestMs, performance.now() - startedAtMs);
  }
  for (const samples of (await flood).flat()) expect(samples.cauce_redis_up).toBe(1);
  const measurements = ((await callsOf(pipeline.redis, 'zcard')) - before) / pipeline.keyspace.partitions;
  expect(measurements).toBeLessThan(500 / 2);
  expect(slowestMs).toBeLessThan(5000);

  async function scrapeOften(times: number): Promise<Samples[]> {
    const scraped: Samples[] = [];
    for (let i = 0; i < times; i++) scraped.push(await consumer.scrape());
    return scraped;
  }
});

type Samples = Readonly<Record<string, number>>;

async function startConsumer(
  pipeline: Pipeline,
  env: Record<string, string>,
): Promise<{ url: string; child: SpawnedProcess; scrape: () => Promise<Samples> }> {
  const child = await spawnCauceSync(pipeline, env);
  const started = JSON.parse(await child.waitForLine('"msg":"started"')) as { httpPort: number };
  const url = `http://127.0.0.1:${started.httpPort}`;
  return {
    url,
    child,
    async scrape() {
      const lines = (await (await fetch(`${url}/metrics`)).text()).split('\n');
      return Object.fromEntries(
        lines
          .filter((line) => line !== '' && !line.startsWith('#'))
          .map((line) => line.split(' '))
          .map(([name = '', value]) => [name, Number(value)]),
      );
    },
  };
}

async function infoField(redis: Redis, section: string, name: string): Promise<string> {
  return new RegExp(`^${name}:(.*)\r$`, 'm').exec(await redis.info(section))?.[1] ?? '';
}

/** How often Redis ran a command. */
async function callsOf(redis: Redis, command: string): Promise<number> {
  const stats = await infoField(redis, 'commandstats', `cmdstat_${command}`);
  return Number(/calls=(\d+)/.exec(stats)?.[1] ?? 0);
}
