import { expect, inject, test } from 'vitest';
import { eventually } from '../../helpers/eventually.ts';
import { createPipeline } from '../../helpers/pipeline.ts';
import { connectClient, createDatabase, isWaitedFor, pidOf, sessionRow } from './rows.ts';

test('two batches over the same 400 sessions in opposite order never deadlock (F14)', async () => {
  const { queries, pool, table } = await createPipeline();
  const users = Array.from({ length: 400 }, (_, i) => `user-${String((i * 7919) % 400).padStart(3, '0')}`);
  const codes: unknown[] = [];
  for (let round = 0; round < 100; round++) {
    // Each round half of the sessions are new: inserting deadlocks as well as updating.
    const batch = users.map((user, i) => (i % 2 ? `${user}-${round}` : user));
    const forth = batch.map((user) => sessionRow(user, 2 * round + 1));
    const back = batch.map((user) => sessionRow(user, 2 * round + 2)).reverse();
    const results = await Promise.allSettled([queries.upsertSessions(forth), queries.upsertSessions(back)]);
    for (const result of results) if (result.status === 'rejected') codes.push(result.reason.code);
  }
  expect(codes).toEqual([]);
  const { rows } = await pool.query(`SELECT count(*)::int AS stale FROM ${table} WHERE version % 2 = 1`);
  expect(rows).toEqual([{ stale: 0 }]);
});

test('ids whose order differs between locales and bytes do not deadlock either (F14)', async () => {
  const { queries } = await createPipeline();
  const letters = ['a', 'B', 'á', 'Z', '_', '-', 'é', 'Ω', '😀', 'ｚ', 'ß'];
  const refs = letters.flatMap((tenantId) => letters.map((userId) => ({ tenantId, userId })));
  for (let round = 1; round <= 60; round++) {
    const forth = refs.map((ref) => ({ ref, state: '1', version: String(2 * round) }));
    const back = refs.map((ref) => ({ ref, state: '1', version: String(2 * round + 1) })).reverse();
    await Promise.all([queries.upsertSessions(forth), queries.upsertSessions(back)]);
  }
});

test('waits no longer than the lock timeout for a row that somebody holds, then says 55P03 (P9)', async () => {
  const url = inject('databaseUrl');
  const { queries, table, pool } = await createDatabase(url, { lockTimeoutMs: 300 });
  await queries.upsertSessions([sessionRow('ana', 1), sessionRow('bea', 1)]);
  const holder = await connectClient(url);
  await holder.query('BEGIN');
  await holder.query(`SELECT 1 FROM ${table} WHERE user_id = 'bea' FOR UPDATE`);

  const startedAtMs = performance.now();
  await expect(queries.upsertSessions([sessionRow('ana', 2), sessionRow('bea', 2)])).rejects.toMatchObject({
    code: '55P03',
  });
  const waitedMs = performance.now() - startedAtMs;
  expect(waitedMs).toBeGreaterThan(280);
  expect(waitedMs).toBeLessThan(5000);
  const { rows } = await pool.query(`SELECT count(*)::int AS newer FROM ${table} WHERE version % 10 = 2`);
  expect(rows).toEqual([{ newer: 0 }]);

  await holder.query('ROLLBACK');
  expect(await queries.upsertSessions([sessionRow('ana', 2), sessionRow('bea', 2)])).toHaveLength(2);
});

test('the lock timeout also covers a session that somebody is inserting (P9)', async () => {
  const url = inject('databaseUrl');
  const { queries, table } = await createDatabase(url, { lockTimeoutMs: 200 });
  const holder = await connectClient(url);
  await holder.query('BEGIN');
  await holder.query(`INSERT INTO ${table} VALUES ('acme', 'ana', '1', 1, now(), now(), now())`);
  await expect(queries.upsertSessions([sessionRow('ana', 2)])).rejects.toMatchObject({ code: '55P03' });
  await holder.query('COMMIT');
  expect(await queries.upsertSessions([sessionRow('ana', 2)])).toHaveLength(1);
});

test.each([true, false])(
  'the server itself gives up after the statement timeout: 57014 (P9; pipeline: %s)',
  async (pipeline) => {
    const url = inject('databaseUrl');
    const limits = { lockTimeoutMs: 5000, statementTimeoutMs: 300 };
    const { queries, table, pool } = await createDatabase(url, { ...limits, pipeline });
    const holder = await connectClient(url);
    await holder.query('BEGIN');
    await holder.query(`LOCK TABLE ${table}`);
    await expect(queries.upsertSessions([sessionRow('ana', 1)])).rejects.toMatchObject({ code: '57014' });
    const { rows } = await pool.query(
      `SELECT count(*)::int AS waiting FROM pg_locks WHERE relation = '${table}'::regclass AND NOT granted`,
    );
    expect(rows).toEqual([{ waiting: 0 }]);
    await holder.query('ROLLBACK');
    expect(await queries.upsertSessions([sessionRow('ana', 1)])).toHaveLength(1);
  },
);

test('a batch that waited for another takes the version the other left into account (P3)', async () => {
  const url = inject('databaseUrl');
  const { queries, table, pool } = await createDatabase(url);
  await queries.upsertSessions([sessionRow('ana', 1)]);
  const holder = await connectClient(url);
  await holder.query('BEGIN');
  await holder.query(`UPDATE ${table} SET version = $1, state = '"newest"'`, [sessionRow('ana', 9).version]);
  const late = queries.upsertSessions([sessionRow('ana', 5, 'late')]);
  const holderPid = await pidOf(holder);
  await eventually(async () => expect(await isWaitedFor(pool, holderPid)).toBe(true));
  await holder.query('COMMIT');
  expect(await late).toEqual([]);
  expect((await pool.query(`SELECT state FROM ${table}`)).rows).toEqual([{ state: 'newest' }]);
});
