import { listParked, listPending, measureBacklog, readHeartbeats, readStatus, resync } from '@cauce/admin';
import { compareVersions, hostClocks, MAX_VERSION, SESSION_HASH, SYNC_GROUP } from '@cauce/protocol';
import { syncToDB } from '@cauce/sync-consumer';
import { expect, test } from 'vitest';
import { eventually } from '../helpers/eventually.ts';
import { expectRows, expectSynced, refOf, saveUsers, userIds } from '../helpers/expect-synced.ts';
import { createPipeline, type Pipeline } from '../helpers/pipeline.ts';
import { rewriteSession } from '../helpers/session-hash.ts';
import { watchLog } from '../helpers/watch-log.ts';

const users = userIds(20);
const [ana = '', bea = ''] = users;
const LAST_ID = '18446744073709551615-18446744073709551615';

test.each(['inf', 'nan', '1e300', 'abc', MAX_VERSION])(
  'the clock of a partition holds "%s": saves are refused until the consumer has set it right, above every row (P3)',
  async (clock) => {
    const pipeline = await createPipeline({ partitions: 1 });
    const { redis, keyspace } = pipeline;
    const { consumer } = pipeline.startSync();
    const acknowledged = await saveUsers(pipeline, users, { step: 1 });
    await expectSynced(pipeline, acknowledged);
    const newest = await pipeline.queries.maxVersion();
    // Only PostgreSQL knows how far the versions had come.
    await redis.del(...users.map((userId) => keyspace.locate(refOf(userId)).key));
    await redis.hset(keyspace.meta(0), 'floor', clock);
    await expect(saveUsers(pipeline, [ana], { step: 2 })).rejects.toThrow('not saved: failed');
    await consumer.check();
    await saveUsers(pipeline, users, { step: 2 }, acknowledged);
    for (const { version } of acknowledged.values())
      expect(compareVersions(version, newest)).toBeGreaterThan(0);
    await expectSynced(pipeline, acknowledged);
  },
);

test('a row has a version that Redis cannot count: its session is skipped, all others go on, and it when the row is mended', async () => {
  const pipeline = await createPipeline();
  const { pool, table } = pipeline;
  await pool.query(`ALTER TABLE ${table} DROP CONSTRAINT countable_version`);
  const { tenantId, userId } = refOf(ana);
  await pool.query(
    `INSERT INTO ${table} VALUES ($1, $2, '{}', 1763830000123456789, now(), now(), now() - interval '1 hour')`,
    [tenantId, userId],
  );
  const { consumer } = pipeline.startSync();
  const acknowledged = await saveUsers(pipeline, users, { step: 1 });
  const others = new Map([...acknowledged].filter(([user]) => user !== ana));
  await eventually(() => expectRows(pipeline, others));
  await eventually(() =>
    expect(consumer.readiness).toMatchObject({
      isReady: false,
      reason: expect.stringMatching(
        /partition \d: the row of 1 session has a version above 4503599627370495/,
      ),
    }),
  );
  expect(await pipeline.countDirty()).toBe(1);
  for (const { version } of acknowledged.values()) expect(version).toMatch(/^1\d{15}$/);

  await pool.query(
    `UPDATE ${table} SET version = (extract(epoch FROM least(synced_at, now())) * 1000000)::bigint WHERE version > ${MAX_VERSION}`,
  );
  await expectSynced(pipeline, acknowledged);
  await eventually(() => expect(consumer.readiness).toEqual({ isReady: true }));
});

test.each(['abc', '99999999999999999999-1', ''])(
  'the event of a session is "%s": the whole partition is synced',
  async (q) => {
    const pipeline = await createPipeline({ partitions: 1 });
    const { redis, keyspace } = pipeline;
    const acknowledged = await saveUsers(pipeline, users, { step: 1 });
    await rewriteSession(redis, keyspace.locate(refOf(ana)).key, { event: q });
    pipeline.startSync();
    await expectSynced(pipeline, acknowledged);
    await rewriteSession(redis, keyspace.locate(refOf(ana)).key, { event: q });
    await expectSynced(pipeline, await saveUsers(pipeline, users, { step: 2 }, acknowledged));
  },
);

test.each([
  ['that nobody read', async () => {}],
  [
    'that was deleted again',
    async ({ redis, keyspace }: Pipeline) => {
      await redis.xdel(keyspace.changes(0), LAST_ID);
    },
  ],
])(
  'an entry with the last id there is, %s: the partition takes saves again by itself, and nothing is lost (P4)',
  async (_, afterwards) => {
    const pipeline = await createPipeline({ partitions: 1 });
    const { redis, keyspace } = pipeline;
    const acknowledged = await saveUsers(pipeline, users, { step: 1 });
    await redis.xadd(keyspace.changes(0), LAST_ID, 'k', 'forged');
    await afterwards(pipeline);
    await expect(saveUsers(pipeline, ['new'], { step: 1 })).rejects.toThrow('not saved: failed');
    const log = watchLog();
    pipeline.startSync({}, { logger: log.logger });
    await eventually(() => saveUsers(pipeline, ['new'], { step: 1 }, acknowledged));
    await expectSynced(pipeline, acknowledged);
    expect(log.text()).toContain('took no more events');
  },
);

test('an entry with the last id there is comes while it is synced: the partition takes saves again', async () => {
  const pipeline = await createPipeline({ partitions: 1 });
  const { redis, keyspace } = pipeline;
  const { consumer } = pipeline.startSync();
  const acknowledged = await saveUsers(pipeline, users, { step: 1 });
  await expectSynced(pipeline, acknowledged);
  await redis.xadd(keyspace.changes(0), LAST_ID, 'k', 'forged');
  await eventually(async () => expect(await redis.xlen(keyspace.changes(0))).toBe(0));
  await expect(saveUsers(pipeline, [ana], { step: 2 })).rejects.toThrow('not saved: failed');
  await consumer.check();
  await expectSynced(pipeline, await saveUsers(pipeline, users, { step: 2 }, acknowledged));
});

test.each(['epochEndsAtMs', 'epoch', 'serverEpoch', 'seeded'])(
  '%s of a partition is "abc": a consumer that starts syncs all',
  async (field) => {
    const pipeline = await createPipeline({ partitions: 1 });
    const { redis, keyspace } = pipeline;
    const first = pipeline.startSync();
    const acknowledged = await saveUsers(pipeline, users, { step: 1 });
    await expectSynced(pipeline, acknowledged);
    await first.stop();
    await redis.hset(keyspace.meta(0), field, 'abc');
    await saveUsers(pipeline, users, { step: 2 }, acknowledged);
    pipeline.startSync();
    await expectSynced(pipeline, acknowledged);
  },
);

test('a dirty session without a header is named and counted, stays dirty, and its neighbours are synced (P4, P9)', async () => {
  const pipeline = await createPipeline({ partitions: 1 });
  const { redis, keyspace } = pipeline;
  const acknowledged = await saveUsers(pipeline, users, { step: 1 });
  const { key } = keyspace.locate(refOf(ana));
  await redis.hdel(key, SESSION_HASH.header);
  const { consumer } = pipeline.startSync();
  const others = new Map([...acknowledged].filter(([user]) => user !== ana));
  await eventually(() => expectRows(pipeline, others));
  await eventually(() =>
    expect(consumer.readiness.reason).toMatch(/partition 0: the key of 1 session holds something/),
  );
  await consumer.sweep(0);
  expect(await redis.zrange(keyspace.dirty(0), '0', '-1')).toEqual([key]);

  // A save puts it right.
  await saveUsers(pipeline, [ana], { step: 2 }, acknowledged);
  await expectSynced(pipeline, acknowledged);
});

test('what somebody else wrote among the heartbeats of consumers is skipped and counted', async () => {
  const pipeline = await createPipeline();
  const { redis, keyspace, queries } = pipeline;
  await redis.hset(keyspace.consumers(), {
    text: 'no JSON \u001b[2J',
    number: '7',
    empty: '{}',
    escape: JSON.stringify({ consumer: 'x', state: '\u001b[2J', startedAtMs: 1, seenAtMs: Date.now() }),
  });
  pipeline.startSync();
  await eventually(async () => {
    const status = await readStatus({ ...hostClocks, redis, keyspace, queries }, { sampleMs: 0 });
    expect(status.consumers).toMatchObject([{ state: 'running' }]);
    expect(status.warnings).toContainEqual(
      expect.stringMatching(/^Of the fields of \S+:consumers, 4 cannot be read/),
    );
    expect(JSON.stringify(status)).not.toContain('\\u001b');
  });
  expect(await listPending({ ...hostClocks, redis, keyspace })).toEqual([]);
});

test('a killed consumer is forgotten after a day by those that run; reading heartbeats writes nothing', async () => {
  const pipeline = await createPipeline();
  const { redis, keyspace } = pipeline;
  const day = 86_400_000;
  const of = (consumer: string, seenAtMs: number): string =>
    JSON.stringify({ consumer, startedAtMs: 1, seenAtMs, state: 'running', syncs: 0, failedSyncs: 0 });
  const killed = {
    'killed yesterday': of('killed yesterday', Date.now() - day - 60_000),
    'its clock was ahead': of('its clock was ahead', Date.now() + day + 60_000),
    'killed just now': of('killed just now', Date.now() - 60_000),
  };
  await redis.hset(keyspace.consumers(), killed);
  expect((await readHeartbeats(redis, keyspace)).map(({ consumer }) => consumer)).toEqual([
    'killed just now',
  ]);
  expect(await redis.hgetall(keyspace.consumers())).toEqual(killed);
  const { consumer } = pipeline.startSync().consumer;
  await eventually(async () => {
    const names = Object.keys(await redis.hgetall(keyspace.consumers()));
    expect(names.sort()).toEqual([consumer, 'killed just now'].sort());
  });
});

test('records of parked sessions that cannot be read hold nothing back', async () => {
  const pipeline = await createPipeline({ partitions: 1 });
  const { redis, keyspace } = pipeline;
  const acknowledged = await saveUsers(pipeline, users, { step: 1 });
  const records = [
    'abc',
    '{}',
    '{"version":"1","retryAtMs":1e300}',
    '{"version":"1","attempts":"x","retryAtMs":1}',
  ];
  for (const [i, record] of records.entries()) {
    await redis.hset(keyspace.parked(0), keyspace.locate(refOf(users[i] ?? '')).key, record);
  }
  pipeline.startSync();
  await expectSynced(pipeline, acknowledged);
});

test('sessions saved while the clock of Redis was ahead, whose events are lost: they are announced at once', async () => {
  const pipeline = await createPipeline({ partitions: 1 });
  const { redis, keyspace, redisUrl, databaseUrl, settings } = pipeline;
  await syncToDB({ redis: redisUrl, database: databaseUrl, settings });
  const acknowledged = await saveUsers(pipeline, users, { step: 1 });
  const dayAhead = (Date.now() + 86_400_000) * 1000;
  for (const userId of users)
    await redis.zadd(keyspace.dirty(0), dayAhead, keyspace.locate(refOf(userId)).key);
  // One is pending for a consumer that died.
  await redis.xreadgroup('GROUP', SYNC_GROUP, 'dead', 'COUNT', 1, 'STREAMS', keyspace.changes(0), '>');
  await redis.xtrim(keyspace.changes(0), 'MAXLEN', 0);
  const { consumer } = pipeline.startSync({ SYNC_SWEEP_AFTER: 60_000, SESSION_SYNC_INTERVAL: 60_000 });
  await eventually(() => expect(consumer.readiness.isReady).toBe(true));
  await consumer.sweep();
  const [, score] = await redis.zrange(keyspace.dirty(0), '0', '0', 'WITHSCORES');
  expect(Number(score) / 1000).toBeLessThanOrEqual(Date.now());
  await consumer.syncOnce();
  await expectRows(pipeline, acknowledged);
  expect(await pipeline.countDirty()).toBe(0);
});

test('what somebody else wrote into the dirty index and among the parked is counted, and stops nobody', async () => {
  const pipeline = await createPipeline({ partitions: 2 });
  const { redis, keyspace } = pipeline;
  const acknowledged = await saveUsers(pipeline, users, { step: 1 });
  const elsewhere = users
    .map((userId) => keyspace.locate(refOf(userId)))
    .find(({ partition }) => partition === 1);
  await redis.zadd(
    keyspace.dirty(0),
    1,
    'forged \u001b[2J',
    2,
    elsewhere?.key ?? '',
    '-inf',
    'oldest',
    'inf',
    'newest',
  );
  await redis.hset(keyspace.parked(0), { 'forged \u001b[2J': '{}', [elsewhere?.key ?? '']: '{}' });
  const { oldestDirtyAgeMs } = await measureBacklog(redis, keyspace);
  expect(Number.isFinite(oldestDirtyAgeMs)).toBe(true);
  expect(await listParked({ redis, keyspace })).toEqual({ total: 0, foreign: 2, sessions: [] });
  const log = watchLog();
  const { consumer } = pipeline.startSync({}, { logger: log.logger });
  await eventually(() => expectRows(pipeline, acknowledged));
  await consumer.sweep(0);
  await eventually(async () => expect(await pipeline.countDirty()).toBe(0));
  expect(log.text()).toMatch(/\d members? of the dirty index named no session; removed/);
  expect(log.text()).not.toContain('forged');
});

test('resync goes on over a session that cannot be read', async () => {
  const pipeline = await createPipeline();
  const { redis, keyspace, scripts } = pipeline;
  pipeline.startSync();
  const acknowledged = await saveUsers(pipeline, users, { step: 1 });
  await expectSynced(pipeline, acknowledged);
  await rewriteSession(redis, keyspace.locate(refOf(ana)).key, { version: 'abc' });
  await redis.del(keyspace.locate(refOf(bea)).key);
  await redis.rpush(keyspace.locate(refOf(bea)).key, 'of a wrong type');
  const signal = new AbortController().signal;
  expect(await resync({ redis, keyspace, scripts }, { sinceVersion: '0', batchRows: 100, signal })).toEqual({
    announced: 18,
    dirty: 0,
    older: 0,
    unreadable: 2,
  });
});
