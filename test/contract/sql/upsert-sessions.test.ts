import type { SessionRow } from '@cauce/postgres';
import { MAX_VERSION } from '@cauce/protocol';
import { expect, inject, test } from 'vitest';
import { createPipeline } from '../../helpers/pipeline.ts';
import { createDatabase, sessionRow, tombstone, userIds, versionAt } from './rows.ts';

const ana = { tenantId: 'acme', userId: 'ana' };

test('the same batch twice: the second writes nothing and the first stays (P3)', async () => {
  const { queries, pool, table } = await createPipeline();
  const batch = [sessionRow('ana', 1), tombstone('bea', 1), sessionRow('cal', 1)];
  expect(userIds(await queries.upsertSessions(batch))).toEqual(['ana', 'bea', 'cal']);
  const before = await pool.query(`SELECT *, xmin FROM ${table} ORDER BY user_id`);

  expect(await queries.upsertSessions(batch)).toEqual([]);
  expect(await queries.upsertSessions([...batch].reverse())).toEqual([]);
  const after = await pool.query(`SELECT *, xmin FROM ${table} ORDER BY user_id`);
  expect(after.rows).toEqual(before.rows);
});

test('an equal version with another state is not written (P3)', async () => {
  const { queries, row } = await createPipeline();
  await queries.upsertSessions([sessionRow('ana', 5, 'first')]);
  expect(await queries.upsertSessions([sessionRow('ana', 5, 'second')])).toEqual([]);
  expect(await row(ana)).toEqual({ state: 'first', version: versionAt(5) });
});

test('batches in any order end at the newest version of each session (P3)', async () => {
  const { queries, pool, table } = await createPipeline();
  const users = Array.from({ length: 20 }, (_, i) => `user-${i}`);
  const versions = [3, 1, 5, 2, 4, 5, 1];
  for (const [round, version] of versions.entries()) {
    const shuffled = users.map((_, i) => users[(i * 7 + round) % users.length] ?? '');
    await queries.upsertSessions(shuffled.map((user) => sessionRow(user, version)));
  }
  const { rows } = await pool.query(`SELECT DISTINCT version::text, state FROM ${table}`);
  expect(rows).toEqual([{ version: versionAt(5), state: { step: 5 } }]);
});

test('returns exactly the rows it wrote, and writes them beside rows the guard rejects (P3, P6)', async () => {
  const { queries, row } = await createPipeline();
  await queries.upsertSessions([sessionRow('equal', 5), sessionRow('newer', 9), sessionRow('older', 1)]);
  const batch = [
    sessionRow('newer', 5),
    sessionRow('absent', 5),
    sessionRow('older', 5),
    sessionRow('equal', 5),
  ];
  const written = await queries.upsertSessions(batch);
  expect(userIds(written)).toEqual(['absent', 'older']);
  // The very objects that were given: callers look them up by identity.
  for (const one of written) expect(batch).toContain(one);
  expect(await row({ tenantId: 'acme', userId: 'newer' })).toMatchObject({ version: versionAt(9) });
  expect(await row({ tenantId: 'acme', userId: 'older' })).toMatchObject({ version: versionAt(5) });
});

test('sessions of the same user in two tenants are two rows (P9)', async () => {
  const { queries, row } = await createPipeline();
  const other: SessionRow = { ...sessionRow('ana', 2, 'other'), ref: { tenantId: 'acme2', userId: 'ana' } };
  const written = await queries.upsertSessions([other, sessionRow('ana', 1, 'one')]);
  expect(written).toHaveLength(2);
  expect((await row(ana))?.state).toBe('one');
  expect((await row(other.ref))?.state).toBe('other');
});

test('a delete is a versioned tombstone row: over a state, and a state over an older tombstone (P3)', async () => {
  const { queries, row } = await createPipeline();
  await queries.upsertSessions([sessionRow('ana', 1)]);
  expect(await queries.upsertSessions([tombstone('ana', 2)])).toHaveLength(1);
  expect(await row(ana)).toEqual({ state: null, version: versionAt(2) });
  expect(await queries.upsertSessions([sessionRow('ana', 3, 'again')])).toHaveLength(1);
  expect(await row(ana)).toEqual({ state: 'again', version: versionAt(3) });
});

test('the late write of a zombie does not bring a deleted session back (P3, F1)', async () => {
  const { queries, row } = await createPipeline();
  // The tombstone comes first: the zombie's older state finds no earlier row of its own.
  await queries.upsertSessions([tombstone('ana', 102)]);
  expect(await queries.upsertSessions([sessionRow('ana', 101, 'zombie')])).toEqual([]);
  expect(await row(ana)).toEqual({ state: null, version: versionAt(102) });
});

test('the row version never goes down under concurrent batches of random versions (P3)', async () => {
  const { queries, pool, table } = await createPipeline();
  const newest = new Map<string, number>();
  const batches = Array.from({ length: 40 }, (_, round) =>
    Array.from({ length: 20 }, (_, user) => {
      const version = 1 + ((round * 7919 + user * 104_729) % 1000);
      newest.set(`u${user}`, Math.max(version, newest.get(`u${user}`) ?? 0));
      return sessionRow(`u${user}`, version);
    }),
  );
  await Promise.all(batches.map((batch) => queries.upsertSessions(batch)));
  const { rows } = await pool.query<{ user_id: string; version: string }>(
    `SELECT user_id, version::text AS version FROM ${table}`,
  );
  expect(new Map(rows.map((row) => [row.user_id, row.version]))).toEqual(
    new Map([...newest].map(([user, version]) => [user, versionAt(version)])),
  );
});

test('versions up to the last one keep every digit (P3)', async () => {
  const { queries, row } = await createPipeline();
  const version = MAX_VERSION;
  expect(await queries.upsertSessions([{ ref: ana, state: '1', version }])).toHaveLength(1);
  expect(await queries.upsertSessions([{ ref: ana, state: '2', version: '4503599627370494' }])).toEqual([]);
  expect(await row(ana)).toEqual({ state: 1, version });
});

test('updated_at is the time in the version, to the µs; synced_at is now; created_at stays', async () => {
  const { queries, pool, table } = await createPipeline();
  const version = '1760123456654321';
  await queries.upsertSessions([{ ref: ana, state: '1', version }]);
  const read = async () =>
    (
      await pool.query(
        `SELECT (extract(epoch FROM updated_at) * 1e6)::bigint::text AS updated,
                (extract(epoch FROM created_at) * 1e6)::bigint::text AS created,
                abs(extract(epoch FROM clock_timestamp() - synced_at)) < 5 AS is_synced_now,
                synced_at::text AS synced
         FROM ${table}`,
      )
    ).rows[0];
  const first = await read();
  expect(first).toMatchObject({ updated: version, created: version, is_synced_now: true });

  const next = '1760123457000001';
  await queries.upsertSessions([{ ref: ana, state: '2', version: next }]);
  const second = await read();
  expect(second).toMatchObject({ updated: next, created: version });
  expect(second.synced > first.synced).toBe(true);
});

test('an empty batch writes nothing', async () => {
  const { queries } = await createPipeline();
  expect(await queries.upsertSessions([])).toEqual([]);
});

test('one bad row refuses the whole statement and nothing of it is written (P9)', async () => {
  const { queries, row } = await createPipeline();
  const bad: SessionRow = { ...sessionRow('bad', 1), state: '{"a":"\\u0000"}' };
  await expect(queries.upsertSessions([sessionRow('ana', 1), bad])).rejects.toMatchObject({ code: '22P05' });
  expect(await row(ana)).toBeUndefined();
});

test.each([true, false])(
  'no prepared statement, setting or transaction is left on the connection (PgBouncer; pipeline: %s)',
  async (pipeline) => {
    const database = await createDatabase(inject('databaseUrl'), { maxConnections: 1, pipeline });
    const { queries, pool } = database;
    await pool.query('SET synchronous_commit = local');
    const left = async () =>
      (
        await pool.query(
          `SELECT current_setting('lock_timeout') AS lock_timeout,
                  current_setting('statement_timeout') AS statement_timeout,
                  current_setting('synchronous_commit') AS synchronous_commit,
                  now() = statement_timestamp() AS is_own_transaction,
                  (SELECT count(*)::int FROM pg_prepared_statements) AS prepared, pg_backend_pid() AS pid`,
        )
      ).rows[0];
    const before = await left();
    expect(before).toMatchObject({ synchronous_commit: 'local', is_own_transaction: true, prepared: 0 });
    await queries.upsertSessions([sessionRow('ana', 1)]);
    await queries.selectSessions([ana]);
    expect(await left()).toEqual(before);
  },
);

test.each([true, false])(
  'after a refused batch the pool goes on as before (P9; pipeline: %s)',
  async (pipeline) => {
    const database = await createDatabase(inject('databaseUrl'), { maxConnections: 1, pipeline });
    const bad: SessionRow = { ...sessionRow('bad', 1), state: '{' };
    for (let round = 1; round <= 5; round++) {
      await expect(database.queries.upsertSessions([bad])).rejects.toMatchObject({ code: '22P02' });
      expect(await database.queries.upsertSessions([sessionRow('ana', round)])).toHaveLength(1);
    }
    expect(database.pool.totalCount).toBe(1);
    expect(database.pool.idleCount).toBe(1);
  },
);

test('the last operations of a session change with its version only, and go where there are none', async () => {
  const { queries, pool, table } = await createPipeline();
  const operations = async () => (await pool.query(`SELECT operations FROM ${table}`)).rows[0].operations;
  await queries.upsertSessions([{ ...sessionRow('ana', 2), operations: 'b=2 a=1' }]);
  expect(await operations()).toBe('b=2 a=1');
  for (const version of [1, 2]) {
    await queries.upsertSessions([{ ...sessionRow('ana', version), operations: 'x=1' }]);
    expect(await operations()).toBe('b=2 a=1');
  }
  await queries.upsertSessions([{ ...sessionRow('ana', 3), operations: 'c=3 b=2 a=1' }]);
  expect(await operations()).toBe('c=3 b=2 a=1');
  await queries.upsertSessions([sessionRow('ana', 4)]);
  expect(await operations()).toBeNull();
});
