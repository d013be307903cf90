import { readHeartbeats } from '@cauce/admin';
import { migrate } from '@cauce/postgres/migrate';
import { expect, test } from 'vitest';
import { eventually } from '../helpers/eventually.ts';
import { expectSynced, refOf, saveUsers, userIds } from '../helpers/expect-synced.ts';
import { createPipeline, type Pipeline } from '../helpers/pipeline.ts';
import { sessionTexts } from '../helpers/session-hash.ts';

const users = userIds(500);

async function parkedCount({ redis, keyspace }: Pipeline): Promise<number> {
  const counts = await Promise.all(
    Array.from({ length: keyspace.partitions }, (_, partition) => redis.hlen(keyspace.parked(partition))),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

async function makeParkedDue({ redis, keyspace }: Pipeline): Promise<void> {
  for (let partition = 0; partition < keyspace.partitions; partition++) {
    const parked = keyspace.parked(partition);
    for (const [key, text] of Object.entries(await redis.hgetall(parked))) {
      await redis.hset(parked, key, JSON.stringify({ ...JSON.parse(text), retryAtMs: 0 }));
    }
  }
}

test('the tables are missing at the start: it says so, and syncs once they are there (P9)', async () => {
  const pipeline = await createPipeline({ migrated: false });
  const sync = pipeline.startSync();
  const acknowledged = await saveUsers(pipeline, users, { step: 1 });
  await eventually(() => expect(sync.consumer.circuit.state).toMatchObject({ failure: { code: '42P01' } }));
  expect(sync.consumer.readiness.isReady).toBe(false);
  await eventually(async () => {
    const [heartbeat] = await readHeartbeats(pipeline.redis, pipeline.keyspace);
    expect(heartbeat).toMatchObject({ state: 'misconfigured', problem: expect.stringMatching('42P01') });
  });

  await migrate({
    databaseUrl: pipeline.databaseUrl,
    schema: pipeline.settings.SESSION_DB_SCHEMA ?? '',
    table: 'session',
  });
  await expectSynced(pipeline, acknowledged, 30_000);
});

test('the table goes while it runs: it stops, parks nothing, and resumes by itself (P9)', async () => {
  const pipeline = await createPipeline();
  const sync = pipeline.startSync();
  const acknowledged = await saveUsers(pipeline, users, { step: 0 });
  await expectSynced(pipeline, acknowledged);

  await pipeline.pool.query(`ALTER TABLE ${pipeline.table} RENAME TO elsewhere`);
  await saveUsers(pipeline, users, { step: 1 }, acknowledged);
  await eventually(() => expect(sync.consumer.readiness.reason).toContain('42P01'));
  expect(await parkedCount(pipeline)).toBe(0);
  expect(await pipeline.countDirty()).toBe(users.length);

  await pipeline.pool.query(
    `ALTER TABLE ${pipeline.table.replace('"session"', '"elsewhere"')} RENAME TO session`,
  );
  await expectSynced(pipeline, acknowledged, 30_000);
});

test('one row among 500 is refused: it alone is parked, its neighbours are written (P9)', async () => {
  const pipeline = await createPipeline();
  await pipeline.pool.query(`ALTER TABLE ${pipeline.table} ADD CHECK (state->>'step' <> 'poison')`);
  const acknowledged = await saveUsers(pipeline, users, { step: 'fine' });
  const badVersion = await pipeline.save(refOf('bad'), { step: 'poison' });
  pipeline.startSync();

  const bad = pipeline.keyspace.locate(refOf('bad'));
  await eventually(async () => {
    const record = JSON.parse(
      (await pipeline.redis.hget(pipeline.keyspace.parked(bad.partition), bad.key)) ?? '{}',
    );
    expect(record).toMatchObject({ version: badVersion, sqlState: '23514', attempts: 1 });
    expect(await pipeline.countDirty()).toBe(1);
  });
  expect(await pipeline.row(refOf('bad'))).toBeUndefined();
  for (const [userId, { version }] of acknowledged) {
    expect(await pipeline.row(refOf(userId))).toMatchObject({ version });
  }
  expect(await pipeline.redis.pttl(bad.key)).toBe(-1);
});

test('a parked session that is saved again waits for its next attempt, then leaves the parked list (P9)', async () => {
  const pipeline = await createPipeline();
  await pipeline.pool.query(
    `ALTER TABLE ${pipeline.table} ADD CONSTRAINT sane CHECK (state->>'step' <> 'poison')`,
  );
  const bad = pipeline.keyspace.locate(refOf('bad'));
  const parked = pipeline.keyspace.parked(bad.partition);
  pipeline.startSync();
  await pipeline.save(refOf('bad'), { step: 'poison' });
  await eventually(async () => expect(await pipeline.redis.hlen(parked)).toBe(1));

  const version = await pipeline.save(refOf('bad'), { step: 'mended' });
  await eventually(async () => expect(await pipeline.countEvents()).toBe(0));
  expect(await pipeline.row(refOf('bad'))).toBeUndefined();

  // Its time comes.
  await makeParkedDue(pipeline);
  await expectSynced(pipeline, new Map([['bad', { version, state: { step: 'mended' } }]]));
  expect(await pipeline.redis.hlen(parked)).toBe(0);
});

test.each([
  { share: 'every row', condition: 'version < 0' },
  { share: 'half of the rows', condition: "(state->>'step')::int % 2 = 0" },
])(
  'a new constraint refuses $share: at most 20 are parked, the others wait until it is mended (P9)',
  async ({ condition }) => {
    const pipeline = await createPipeline();
    const acknowledged = new Map();
    for (const [step, userId] of users.entries()) {
      acknowledged.set(userId, { version: await pipeline.save(refOf(userId), { step }), state: { step } });
    }
    await pipeline.pool.query(
      `ALTER TABLE ${pipeline.table} ADD CONSTRAINT wrong CHECK (${condition}) NOT VALID`,
    );
    const sync = pipeline.startSync();
    await eventually(() => expect(sync.consumer.readiness.reason).toMatch('too many rows are refused'));
    expect(await parkedCount(pipeline)).toBeLessThanOrEqual(20);

    await pipeline.pool.query(`ALTER TABLE ${pipeline.table} DROP CONSTRAINT wrong`);
    await eventually(async () => {
      await makeParkedDue(pipeline);
      expect(await pipeline.countDirty()).toBe(0);
    }, 30_000);
    await expectSynced(pipeline, acknowledged, 30_000);
  },
);

test('PostgreSQL has a newer row than Redis: the loser is archived and Redis takes the row (P6)', async () => {
  const pipeline = await createPipeline();
  const ana = refOf('ana');
  const losing = await pipeline.save(ana, { from: 'redis' });
  const winning = (BigInt(losing) + 3_600_000_000n).toString();
  await pipeline.queries.upsertSessions([{ ref: ana, state: '{"from":"postgres"}', version: winning }]);
  pipeline.startSync();
  await expectSynced(pipeline, new Map([['ana', { version: winning, state: { from: 'postgres' } }]]));

  const key = pipeline.keyspace.locate(ana).key;
  expect(await sessionTexts(pipeline.redis, key)).toMatchObject({
    ...{ state: '{"from": "postgres"}', version: winning },
  });
  const { rows } = await pipeline.pool.query(
    `SELECT state, version::text, winning_version::text FROM ${pipeline.table.replace('"session"', '"session_conflict"')}`,
  );
  expect(rows).toEqual([{ state: { from: 'redis' }, version: losing, winning_version: winning }]);
  const next = await pipeline.save(ana, { from: 'redis again' });
  await expectSynced(pipeline, new Map([['ana', { version: next, state: { from: 'redis again' } }]]));
});
