import { expect, inject, test } from 'vitest';
import { connectClient, createDatabase, sessionRow, userIds } from './rows.ts';

const url = inject('databaseUrl');
const rows = ['ana', 'bea', 'cai', 'new'].map((userId) => sessionRow(userId, 1));

test('names the rows another transaction holds locked, and leaves the others free (P9)', async () => {
  const { queries, pool, table } = await createDatabase(url);
  await queries.upsertSessions(rows.slice(0, 3));
  expect(await queries.selectLockedSessions(rows)).toEqual([]);

  const locker = await connectClient(url);
  await locker.query('BEGIN');
  await locker.query(`SELECT FROM ${table} WHERE user_id IN ('ana', 'cai') FOR UPDATE`);
  expect(userIds(await queries.selectLockedSessions(rows))).toEqual(['ana', 'cai']);
  await pool.query(`UPDATE ${table} SET synced_at = now() WHERE user_id = 'bea'`);
  await locker.query('ROLLBACK');
  expect(await queries.selectLockedSessions(rows)).toEqual([]);
});

test('fails like the upsert when the whole table is locked', async () => {
  const { queries, table } = await createDatabase(url, { lockTimeoutMs: 100 });
  await queries.upsertSessions(rows);
  const locker = await connectClient(url);
  await locker.query('BEGIN');
  await locker.query(`LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
  await expect(queries.selectLockedSessions(rows)).rejects.toMatchObject({ code: '55P03' });
  await locker.query('ROLLBACK');
});
