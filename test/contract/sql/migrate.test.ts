import { createQueries } from '@cauce/postgres';
import { openDirectTable } from '@cauce/postgres/direct';
import { migrate } from '@cauce/postgres/migrate';
import { createKeyspace, MAX_VERSION } from '@cauce/protocol';
import type pg from 'pg';
import { expect, inject, test } from 'vitest';
import { connectPostgres, uniqueName } from '../../helpers/isolated.ts';
import { storeMode } from '../../helpers/writer-mode.ts';
import { sessionRow } from './rows.ts';

const all = [
  '0001_session',
  '0002_identity',
  '0003_countable_version',
  '0004_operations',
  '0005_writer_mode',
];
const limits = { lockTimeoutMs: 1000, statementTimeoutMs: 5000, longTimeoutMs: 5000 };

const databaseUrl = inject('databaseUrl');

async function tablesOf(pool: pg.Pool, schema: string): Promise<string[]> {
  const { rows } = await pool.query<{ name: string }>(
    'SELECT table_name AS name FROM information_schema.tables WHERE table_schema = $1 ORDER BY 1',
    [schema],
  );
  return rows.map(({ name }) => name);
}

async function schemaExists(pool: pg.Pool, schema: string): Promise<boolean> {
  return (await pool.query('SELECT 1 FROM pg_namespace WHERE nspname = $1', [schema])).rows.length > 0;
}

test('20 processes that migrate at once all succeed, and each migration runs once', async () => {
  const pool = connectPostgres();
  const schema = uniqueName();
  const ran = await Promise.all(
    Array.from({ length: 20 }, () => migrate({ databaseUrl, schema, table: 'session' })),
  );
  expect(ran.flat()).toEqual(all);
  const { rows } = await pool.query(`SELECT name FROM ${schema}.session_migration`);
  expect(rows).toEqual(all.map((name) => ({ name })));
});

test('running it again does nothing and keeps the data', async () => {
  const pool = connectPostgres();
  const names = { schema: uniqueName(), table: 'session' };
  expect(await migrate({ databaseUrl, ...names })).toEqual(all);
  const queries = createQueries(pool, { ...names, ...limits });
  await queries.upsertSessions([sessionRow('ana', 1)]);
  expect(await migrate({ databaseUrl, ...names })).toEqual([]);
  expect(await queries.selectSessions([{ tenantId: 'acme', userId: 'ana' }])).toHaveLength(1);
});

test.each([
  ['a reserved word', 'order', 'user'],
  ['underscores and digits', '_x1', '__t2'],
  ['the longest allowed', 'a'.repeat(39), 'b'.repeat(50)],
])('other schema and table names work with every statement: %s', async (_, prefix, table) => {
  const pool = connectPostgres();
  const schema = `${prefix}${prefix.length > 30 ? '' : '_'}${uniqueName().slice(0, 11)}`;
  await migrate({ databaseUrl, schema, table });
  expect(await tablesOf(pool, schema)).toEqual(
    [table, ...['conflict', 'identity', 'layout', 'migration', 'mode'].map((of) => `${table}_${of}`)].sort(),
  );
  const queries = createQueries(pool, { schema, table, ...limits });
  const row = sessionRow('ana', 1);
  expect(await queries.upsertSessions([row])).toEqual([row]);
  expect(await queries.selectSessions([row.ref])).toHaveLength(1);
  expect(await queries.compareSessions([row])).toEqual([]);
  await queries.archiveConflicts([{ ...row, winningVersion: '2' }]);
  expect(await queries.maxVersion()).toBe(row.version);
  expect(await queries.pinLayout(8)).toMatchObject({ partitions: 8 });
  expect(await queries.countBlocks()).toBe(1);
  const slice = { firstBlock: 0, endBlock: 9, historyDays: 1, settledHours: 0, isDryRun: true };
  expect(await queries.purgeSessions(slice)).toBe(1);
  expect(await queries.purgeConflicts({ historyDays: 1, isDryRun: false })).toBe(0);
  await queries.ping();
  const direct = openDirectTable({ pool, schema, table }, { partitions: 8 });
  const session = createKeyspace({ partitions: 8 }).locate(row.ref);
  const save = { session, state: '{}', opId: 'op-1', ifVersion: row.version };
  expect(await direct.save(save)).toEqual({ outcome: 'moved', mode: 'unknown' });
  await storeMode(pool, { schema, table, partitions: 8, mode: 'direct' });
  expect(await direct.save(save)).toMatchObject({ outcome: 'saved' });
  expect(await direct.load([session])).toMatchObject([{ mode: 'direct', stored: { state: '{}' } }]);
  expect(await migrate({ databaseUrl, schema, table })).toEqual([]);
});

test('two tables in one schema live side by side', async () => {
  const pool = connectPostgres();
  const schema = uniqueName();
  expect(await migrate({ databaseUrl, schema, table: 'one' })).toEqual(all);
  expect(await migrate({ databaseUrl, schema, table: 'two' })).toEqual(all);
  expect(await tablesOf(pool, schema)).toHaveLength(12);
});

test('a dry run names what would run and changes nothing, not even the schema', async () => {
  const pool = connectPostgres();
  const names = { schema: uniqueName(), table: 'session' };
  const messages: string[] = [];
  const log = (message: string) => void messages.push(message);
  expect(await migrate({ databaseUrl, ...names, isDryRun: true, log })).toEqual(all);
  expect(messages.join('\n')).toContain('0001_session');
  expect(await schemaExists(pool, names.schema)).toBe(false);

  await migrate({ databaseUrl, ...names });
  expect(await migrate({ databaseUrl, ...names, isDryRun: true })).toEqual([]);
});

test.each([
  'x"; DROP SCHEMA public CASCADE; --',
  'Upper',
  'with space',
  'with-dash',
  "quote'",
  '1st',
  'ünï',
  '',
  'a'.repeat(51),
  'new\nline',
  'a\n',
])('a name that is no plain identifier is refused before anything is sent: %j', async (name) => {
  const pool = connectPostgres();
  const count = async () => (await pool.query('SELECT count(*)::int AS n FROM pg_namespace')).rows[0].n;
  const refused = { name: 'InvalidOptionError' };
  // Nobody listens there: whatever is sent fails otherwise.
  const nowhere = 'postgres://nobody@127.0.0.1:1/none';
  for (const isDryRun of [false, true]) {
    await expect(
      migrate({ databaseUrl: nowhere, schema: name, table: 'session', isDryRun }),
    ).rejects.toMatchObject(refused);
    await expect(
      migrate({ databaseUrl: nowhere, schema: 'public', table: name, isDryRun }),
    ).rejects.toMatchObject(refused);
  }
  expect(() => createQueries(pool, { schema: name, table: 'session', ...limits })).toThrow(
    'not a lower-case',
  );
  expect(() => createQueries(pool, { schema: 'public', table: name, ...limits })).toThrow('not a lower-case');
  expect(await count()).toBeGreaterThan(0);
});

test('a migration that fails leaves nothing half done, and the next run succeeds', async () => {
  const pool = connectPostgres();
  const schema = uniqueName();
  // In the way of a table, and no table itself.
  await pool.query(`CREATE SCHEMA ${schema}; CREATE DOMAIN ${schema}.session_layout AS int`);
  await expect(migrate({ databaseUrl, schema, table: 'session' })).rejects.toThrow('already exists');
  expect(await tablesOf(pool, schema)).toEqual(['session_migration']);
  await pool.query(`DROP DOMAIN ${schema}.session_layout`);
  expect(await migrate({ databaseUrl, schema, table: 'session' })).toEqual(all);
});

test('a row whose version Redis cannot count is refused, and named by migrate with what corrects it', async () => {
  const pool = connectPostgres();
  const names = { schema: uniqueName(), table: 'session' };
  await migrate({ databaseUrl, ...names });
  const queries = createQueries(pool, { ...names, ...limits });
  const nanoseconds = { ...sessionRow('ana', 1), version: '1763830000123456789' };
  await expect(queries.upsertSessions([nanoseconds])).rejects.toMatchObject({
    code: '23514',
    constraint: 'countable_version',
  });
  expect(await queries.upsertSessions([{ ...nanoseconds, version: MAX_VERSION }])).toHaveLength(1);

  // A table of the release before.
  const table = `${names.schema}.session`;
  await pool.query(`ALTER TABLE ${table} DROP CONSTRAINT countable_version`);
  await pool.query(
    `DROP FUNCTION ${table}_save, ${table}_fence; DROP TABLE ${table}_mode;
     ALTER TABLE ${table} DROP COLUMN operations;
     DELETE FROM ${table}_migration WHERE name >= '0003'`,
  );
  await pool.query(
    `INSERT INTO ${table} (tenant_id, user_id, version, created_at, updated_at, synced_at)
     VALUES ('acme', 'ana', $1, now(), now(), now()), ('acme', 'bea', $2, now(), now(), now())
     ON CONFLICT (tenant_id, user_id) DO UPDATE SET version = excluded.version`,
    [nanoseconds.version, sessionRow('bea', 1).version],
  );
  const refusal = await migrate({ databaseUrl, ...names }).catch((error: Error) => error);
  expect(refusal).toMatchObject({ name: 'UncountableVersionsError', code: 'POSTGRES_MISCONFIGURED' });
  const [, list = '', repair = ''] = String((refusal as Error).message).split('\n');
  const { rows } = await pool.query(list.replace(/^[^:]*: /, ''));
  expect(rows).toMatchObject([{ user_id: 'ana', version: nanoseconds.version }]);
  await pool.query(repair.replace(/^[^:]*: /, ''));
  expect(await migrate({ databaseUrl, ...names })).toEqual(all.slice(2));
  const [mended] = await queries.selectSessions([nanoseconds.ref]);
  expect(Math.abs(Number(mended?.version) / 1000 - Date.now())).toBeLessThan(60_000);
  expect(await queries.selectSessions([sessionRow('bea', 1).ref])).toMatchObject([
    { version: sessionRow('bea', 1).version },
  ]);
});
