import { expect, inject, test } from 'vitest';
import { eventually } from '../../helpers/eventually.ts';
import {
  connectClient,
  createDatabase,
  type Database,
  isWaitedFor,
  pidOf,
  savedDaysAgo,
  sessionRow,
} from './rows.ts';

const everything = {
  firstBlock: 0,
  endBlock: 1_000_000,
  historyDays: 30,
  settledHours: 0,
  isDryRun: false,
};
const url = inject('databaseUrl');
const savedNow = (userId: string) => savedDaysAgo(userId, 0, 'just saved');

async function stateOf({ queries }: Database, userId: string): Promise<string | null | undefined> {
  return (await queries.selectSessions([{ tenantId: 'acme', userId }]))[0]?.state;
}

/** What another transaction has written to the row and not committed yet. */
async function saveUncommitted({ table }: Database, userId: string) {
  const client = await connectClient(url);
  const { version } = savedNow(userId);
  await client.query('BEGIN');
  await client.query(
    `UPDATE ${table} SET state = '"just saved"', version = $1, updated_at = now(), synced_at = now()
     WHERE user_id = $2`,
    [version, userId],
  );
  return client;
}

/** Resolves when the call is over or waits for a lock of this backend. */
async function overOrWaitingFor({ pool }: Database, call: Promise<unknown>, pid: number): Promise<void> {
  let isOver = false;
  const over = (): void => {
    isOver = true;
  };
  call.then(over, over);
  await eventually(async () => expect(isOver || (await isWaitedFor(pool, pid))).toBe(true));
}

test('a session that is being saved when the purge starts survives (P3, F9)', async () => {
  const database = await createDatabase(url);
  await database.queries.upsertSessions([savedDaysAgo('ana', 31), savedDaysAgo('bea', 31)]);
  const saver = await saveUncommitted(database, 'bea');
  const purge = database.queries.purgeSessions(everything);
  await overOrWaitingFor(database, purge, await pidOf(saver));
  await saver.query('COMMIT');
  expect(await purge).toBe(1);
  expect(await stateOf(database, 'ana')).toBeUndefined();
  expect(await stateOf(database, 'bea')).toBe('"just saved"');
});

test('the purge does not wait for a session that is being saved (P9)', async () => {
  const database = await createDatabase(url);
  await database.queries.upsertSessions([savedDaysAgo('ana', 31), savedDaysAgo('bea', 31)]);
  const saver = await saveUncommitted(database, 'bea');
  expect(await database.queries.purgeSessions(everything)).toBe(1);
  await saver.query('ROLLBACK');
  expect(await database.queries.purgeSessions(everything)).toBe(1);
});

test('a session saved after the purge has seen it and before it gets there survives (P3, F9)', async () => {
  const database = await createDatabase(url);
  const { pool, table, queries, schema } = database;
  // The purge deletes `a` first, and stops there until the advisory lock is released.
  await pool.query(
    `CREATE FUNCTION ${schema}.hold() RETURNS trigger LANGUAGE plpgsql AS
     $$ BEGIN PERFORM pg_advisory_xact_lock(hashtext('${schema}')); RETURN old; END $$;
     CREATE TRIGGER hold BEFORE DELETE ON ${table} FOR EACH ROW WHEN (old.user_id = 'a')
     EXECUTE FUNCTION ${schema}.hold()`,
  );
  await queries.upsertSessions(['a', 'b', 'c'].map((userId) => savedDaysAgo(userId, 31)));
  const gatekeeper = await connectClient(url);
  await gatekeeper.query(`SELECT pg_advisory_lock(hashtext('${schema}'))`);
  const purge = queries.purgeSessions(everything);
  const purgerPid = await eventually(async () => {
    const { rows } = await pool.query<{ pid: number }>(
      `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
         AND objid::bigint = hashtext($1)::bigint & 4294967295`,
      [schema],
    );
    return rows[0]?.pid ?? expect.fail('the purge does not wait yet');
  });
  // Either the save is first, or the purge holds the row and the save writes it again after that.
  const save = queries.upsertSessions([savedNow('b')]);
  await overOrWaitingFor(database, save, purgerPid);
  await gatekeeper.query(`SELECT pg_advisory_unlock(hashtext('${schema}'))`);
  await purge;
  expect(await save).toHaveLength(1);
  expect(await stateOf(database, 'a')).toBeUndefined();
  expect(await stateOf(database, 'b')).toBe('"just saved"');
});

test('the other way round: a save that waits for the purge writes the session again (P3)', async () => {
  const database = await createDatabase(url);
  const { pool, table, queries } = database;
  await queries.upsertSessions([savedDaysAgo('ana', 31)]);
  const purger = await connectClient(url);
  await purger.query('BEGIN');
  await purger.query(`DELETE FROM ${table} WHERE user_id = 'ana'`);
  const save = queries.upsertSessions([savedNow('ana')]);
  const purgerPid = await pidOf(purger);
  await eventually(async () => expect(await isWaitedFor(pool, purgerPid)).toBe(true));
  await purger.query('COMMIT');
  expect(await save).toHaveLength(1);
  expect(await stateOf(database, 'ana')).toBe('"just saved"');
});

test('purges and saves of the same 300 old sessions at once: every save is there afterwards (P3, F9, F14)', async () => {
  const database = await createDatabase(url);
  const { queries, pool, table } = database;
  const users = Array.from({ length: 300 }, (_, i) => `user-${i}`);
  for (let round = 0; round < 15; round++) {
    await pool.query(`DELETE FROM ${table}`);
    await queries.upsertSessions(users.map((userId) => savedDaysAgo(userId, 31)));
    const saves = [0, 1, 2].map((part) =>
      queries.upsertSessions(users.filter((_, i) => i % 4 === part).map(savedNow)),
    );
    await Promise.all([queries.purgeSessions(everything), ...saves, queries.purgeSessions(everything)]);
    const { rows } = await pool.query(
      `SELECT count(*)::int AS saved FROM ${table} WHERE state = '"just saved"'`,
    );
    expect(rows).toEqual([{ saved: 225 }]);
  }
});

test('two purges at once do not deadlock and delete each row once (F14)', async () => {
  const { queries } = await createDatabase(url);
  await queries.upsertSessions(Array.from({ length: 500 }, (_, i) => savedDaysAgo(`user-${i}`, 31)));
  const counts = await Promise.all([1, 2, 3].map(() => queries.purgeSessions(everything)));
  expect(counts.reduce((sum, count) => sum + count)).toBeLessThanOrEqual(500);
  const rest = await queries.purgeSessions(everything);
  expect(counts.reduce((sum, count) => sum + count, rest)).toBe(500);
  expect(await queries.upsertSessions([sessionRow('user-1', 1)])).toHaveLength(1);
});
