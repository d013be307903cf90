import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { expect, test } from 'vitest';
import { runCauce } from '../helpers/consumer-process.ts';
import { eventually } from '../helpers/eventually.ts';
import { expectSynced, saveUsers, userIds } from '../helpers/expect-synced.ts';
import { ownPostgres } from '../helpers/own-servers.ts';
import { createPipeline } from '../helpers/pipeline.ts';

// `OUTAGE_SECONDS=60` runs the outage of the README's table.
const outageMs = 1000 * Number(process.env.OUTAGE_SECONDS ?? 2);
const SAVES_PER_SECOND = 1000;
const users = userIds(500);

test(
  `PostgreSQL stops for ${outageMs / 1000} s at 1,000 saves/s: Redis grows with dirty sessions only, nothing is parked, all arrives (P8, P9)`,
  async () => {
    const postgres = await ownPostgres();
    const pipeline = await createPipeline({ databaseUrl: postgres.url });
    const sync = pipeline.startSync();
    const acknowledged = await saveUsers(pipeline, users, { step: 0 });
    await expectSynced(pipeline, acknowledged);

    await postgres.shutdown('immediate');
    const dueSaves = (outageMs / 1000) * SAVES_PER_SECOND;
    let saves = 0;
    let longestStream = 0;
    for (let step = 1; saves < dueSaves; step++) {
      const nextMs = Date.now() + 100;
      const due = Array.from({ length: SAVES_PER_SECOND / 10 }, () => users[saves++ % users.length] ?? '');
      await saveUsers(pipeline, due, { step }, acknowledged);
      // Both in one moment, or a save in between would blur the comparison.
      const partitions = Array.from({ length: pipeline.keyspace.partitions }, (_, partition) => partition);
      const sizes = pipeline.redis.multi();
      for (const partition of partitions)
        sizes.xlen(pipeline.keyspace.changes(partition)).zcard(pipeline.keyspace.dirty(partition));
      const counts = ((await sizes.exec()) ?? []).map(([, count]) => Number(count));
      const events = counts.filter((_, i) => i % 2 === 0).reduce((sum, count) => sum + count, 0);
      const dirty = counts.filter((_, i) => i % 2 === 1).reduce((sum, count) => sum + count, 0);
      longestStream = Math.max(longestStream, events);
      expect(events).toBeLessThanOrEqual(dirty);
      expect(dirty).toBeLessThanOrEqual(users.length);
      await delay(Math.max(0, nextMs - Date.now()));
    }
    process.stdout.write(
      `${saves} saves of ${users.length} users during the outage; longest streams ${longestStream} events\n`,
    );
    expect(longestStream).toBe(users.length);
    expect(sync.consumer.readiness).toMatchObject({ isReady: false });

    await postgres.restart();
    await expectSynced(pipeline, acknowledged, 30_000);
    expect(sync.consumer.readiness).toEqual({ isReady: true });
    expect(await runCauce(pipeline, ['verify'])).toEqual({
      code: 0,
      output: 'Redis and PostgreSQL agree: 500 clean sessions compared, 0 dirty not compared.\n',
    });
  },
  outageMs + 120_000,
);

test('PostgreSQL killed under load: nothing parked, all arrives (P4, P9)', async () => {
  const postgres = await ownPostgres();
  const pipeline = await createPipeline({ databaseUrl: postgres.url });
  pipeline.startSync();
  const acknowledged = await saveUsers(pipeline, users, { step: 0 });
  for (let round = 1; round <= 3; round++) {
    await postgres.kill('SIGKILL');
    await saveUsers(pipeline, users, { round }, acknowledged);
    await postgres.restart();
    await saveUsers(pipeline, users.slice(0, 100), { round, more: true }, acknowledged);
  }
  await expectSynced(pipeline, acknowledged, 30_000);
});

test.each([
  {
    fault: 'is read-only, as after a failover',
    code: '25006',
    breakIt: 'ALTER DATABASE cauce SET default_transaction_read_only = on',
    mendIt: 'ALTER DATABASE cauce RESET default_transaction_read_only',
  },
  {
    fault: 'accepts no connections',
    code: '55000',
    breakIt: 'ALTER DATABASE cauce ALLOW_CONNECTIONS false',
    mendIt: 'ALTER DATABASE cauce ALLOW_CONNECTIONS true',
  },
])(
  'PostgreSQL $fault: the consumer waits, parks nothing and resumes by itself (P9)',
  async ({ code, breakIt, mendIt }) => {
    const postgres = await ownPostgres();
    const pipeline = await createPipeline({ databaseUrl: postgres.url });
    const sync = pipeline.startSync();
    const acknowledged = await saveUsers(pipeline, users, { step: 0 });
    await expectSynced(pipeline, acknowledged);
    // From elsewhere: nobody can lock out the database he is in.
    const operator = new pg.Client(postgres.url.replace(/cauce$/, 'postgres'));
    await operator.connect();
    try {
      const dropConnections =
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cauce-sync'";
      await operator.query(breakIt);
      await operator.query(dropConnections);
      await saveUsers(pipeline, users, { step: 1 }, acknowledged);
      await eventually(() => expect(sync.consumer.readiness.reason).toMatch(code));
      expect(await pipeline.countDirty()).toBe(users.length);
      await operator.query(mendIt);
      await operator.query(dropConnections);
    } finally {
      await operator.end();
    }
    await expectSynced(pipeline, acknowledged, 30_000);
  },
);

test('a table locked by somebody is waited for, and its rows are not blamed (P9)', async () => {
  const pipeline = await createPipeline();
  const sync = pipeline.startSync();
  const acknowledged = await saveUsers(pipeline, users, { step: 0 });
  await expectSynced(pipeline, acknowledged);

  const locker = await pipeline.pool.connect();
  try {
    await locker.query('BEGIN');
    await locker.query(`LOCK TABLE ${pipeline.table} IN ACCESS EXCLUSIVE MODE`);
    await saveUsers(pipeline, users, { step: 1 }, acknowledged);
    await eventually(() => expect(sync.consumer.readiness.reason).toMatch('55P03'));
    await locker.query('ROLLBACK');
  } finally {
    locker.release();
  }
  await expectSynced(pipeline, acknowledged);
});

test.each([
  { how: 'locked', statement: "UPDATE {table} SET synced_at = now() WHERE user_id = 'u7'" },
  {
    how: 'inserted and not committed',
    statement: "INSERT INTO {table} VALUES ('acme', 'u500', '1', 1, now(), now(), now())",
  },
])('a row $how by somebody waits alone: its neighbours are written meanwhile (P9)', async ({ statement }) => {
  const pipeline = await createPipeline();
  const sync = pipeline.startSync();
  const acknowledged = await saveUsers(pipeline, users, { step: 0 });
  await expectSynced(pipeline, acknowledged);

  const locker = await pipeline.pool.connect();
  try {
    await locker.query('BEGIN');
    await locker.query(statement.replace('{table}', pipeline.table));
    await saveUsers(pipeline, [...users, 'u500'], { step: 1 }, acknowledged);
    await eventually(async () => expect(await pipeline.countDirty()).toBe(1), 50_000);
    expect(sync.consumer.readiness).toEqual({ isReady: true });
    await locker.query('ROLLBACK');
  } finally {
    locker.release();
  }
  await expectSynced(pipeline, acknowledged);
});
