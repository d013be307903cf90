import { purge } from '@cauce/admin';
import { expect, test } from 'vitest';
import { createPipeline, type Pipeline } from '../../helpers/pipeline.ts';
import { deletedDaysAgo, savedDaysAgo, userIds } from './rows.ts';

const everything = {
  firstBlock: 0,
  endBlock: 1_000_000,
  historyDays: 30,
  settledHours: 0,
  isDryRun: false,
};

async function remaining({ pool, table }: Pipeline): Promise<string[]> {
  const { rows } = await pool.query<{ user_id: string }>(`SELECT user_id FROM ${table} ORDER BY user_id`);
  return rows.map(({ user_id }) => user_id);
}

async function syncedHoursAgo({ pool, table }: Pipeline, userId: string, hours: number): Promise<void> {
  await pool.query(`UPDATE ${table} SET synced_at = now() - make_interval(secs => $1) WHERE user_id = $2`, [
    hours * 3600,
    userId,
  ]);
}

test('sessions nobody saved for longer than the history go, younger ones stay', async () => {
  const pipeline = await createPipeline();
  const ages = { today: 0, 'almost 30 days': 29.99, '30 days': 30.01, 'a year': 365 };
  await pipeline.queries.upsertSessions(
    Object.entries(ages).map(([userId, days]) => savedDaysAgo(userId, days)),
  );
  expect(await pipeline.queries.purgeSessions(everything)).toBe(2);
  expect(await remaining(pipeline)).toEqual(['almost 30 days', 'today']);
  expect(await pipeline.queries.purgeSessions(everything)).toBe(0);
});

test('the history is counted from the last save, not from when it was synced over', async () => {
  const pipeline = await createPipeline();
  await pipeline.queries.upsertSessions([savedDaysAgo('old save', 31), savedDaysAgo('young save', 1)]);
  await syncedHoursAgo(pipeline, 'young save', 24 * 40);
  expect(await pipeline.queries.purgeSessions(everything)).toBe(1);
  expect(await remaining(pipeline)).toEqual(['young save']);
});

test('a row stays for 24 h after it was written, however old its save: it stops zombies (P3, F1)', async () => {
  const pipeline = await createPipeline();
  const settled = { ...everything, settledHours: 24 };
  await pipeline.queries.upsertSessions([
    deletedDaysAgo('just written', 60),
    deletedDaysAgo('almost 24 h', 60),
    deletedDaysAgo('over 24 h', 60),
    savedDaysAgo('synced late', 60),
    savedDaysAgo('synced yesterday', 60),
    deletedDaysAgo('young', 1),
  ]);
  await syncedHoursAgo(pipeline, 'almost 24 h', 23.99);
  await syncedHoursAgo(pipeline, 'over 24 h', 24.01);
  await syncedHoursAgo(pipeline, 'synced yesterday', 24.01);
  await syncedHoursAgo(pipeline, 'young', 30);
  expect(await pipeline.queries.purgeSessions(settled)).toBe(2);
  expect(await remaining(pipeline)).toEqual(['almost 24 h', 'just written', 'synced late', 'young']);

  // A zombie that comes within those 24 h loses, as it should.
  expect(await pipeline.queries.upsertSessions([savedDaysAgo('just written', 61)])).toEqual([]);
});

test('a history of one day does not shorten those 24 h (P3, F1)', async () => {
  const pipeline = await createPipeline();
  await pipeline.queries.upsertSessions([deletedDaysAgo('deleted', 2), savedDaysAgo('saved', 2)]);
  expect(await purge(pipeline, { historyDays: 1 })).toEqual({ sessions: 0, conflicts: 0 });
  expect(await remaining(pipeline)).toEqual(['deleted', 'saved']);
});

test('a dry run counts the same and deletes nothing', async () => {
  const pipeline = await createPipeline();
  await pipeline.queries.upsertSessions([
    savedDaysAgo('a', 31),
    savedDaysAgo('b', 31),
    savedDaysAgo('c', 1),
    deletedDaysAgo('d', 31),
    deletedDaysAgo('e', 31),
    savedDaysAgo('synced late', 31),
  ]);
  for (const userId of ['a', 'b', 'c', 'd', 'e']) await syncedHoursAgo(pipeline, userId, 25);
  const settled = { ...everything, settledHours: 24 };
  const before = await pipeline.pool.query(`SELECT *, xmin, xmax FROM ${pipeline.table} ORDER BY user_id`);
  const counted = await pipeline.queries.purgeSessions({ ...settled, isDryRun: true });
  const after = await pipeline.pool.query(`SELECT *, xmin, xmax FROM ${pipeline.table} ORDER BY user_id`);
  expect(after.rows).toEqual(before.rows);
  expect(counted).toBe(4);
  expect(await pipeline.queries.purgeSessions(settled)).toBe(counted);
});

test('touches only the rows of its slice of blocks', async () => {
  const pipeline = await createPipeline();
  // About one row a block: random text does not compress and stays below the TOAST threshold when stored plain.
  const { pool, table, queries } = pipeline;
  await pool.query(`ALTER TABLE ${table} ALTER COLUMN state SET STORAGE PLAIN`);
  await queries.upsertSessions(
    Array.from({ length: 10 }, (_, i) => savedDaysAgo(`user-${i}`, 31, 'x'.repeat(5000))),
  );
  expect(await queries.countBlocks()).toBe(10);
  expect(await queries.purgeSessions({ ...everything, firstBlock: 3, endBlock: 5 })).toBe(2);
  expect(await remaining(pipeline)).toEqual([0, 1, 2, 5, 6, 7, 8, 9].map((i) => `user-${i}`));
});

test('the walk over the heap reaches every old row of 100,000, in several slices, and no young one', async () => {
  const pipeline = await createPipeline();
  const { pool, table, queries } = pipeline;
  await pool.query(
    `INSERT INTO ${table} SELECT 'acme', 'u' || i, '1', i, saved, saved, saved
     FROM generate_series(1, 100000) i,
          LATERAL (SELECT now() - make_interval(days => CASE WHEN i % 10 = 0 THEN 1 ELSE 31 END) AS saved) s`,
  );
  const steps: number[] = [];
  const progress = { historyDays: 30, onProgress: ({ blocks }: { blocks: number }) => steps.push(blocks) };
  const dry = await purge(pipeline, { ...progress, isDryRun: true });
  expect(dry).toEqual({ sessions: 90_000, conflicts: 0 });
  expect(steps.length).toBeGreaterThan(1);
  expect(steps.at(-1)).toBe(await queries.countBlocks());
  expect(await purge(pipeline, progress)).toEqual(dry);
  const { rows } = await pool.query(
    `SELECT count(*)::int AS rows, bool_and(updated_at > now() - interval '2 days') AS are_young FROM ${table}`,
  );
  expect(rows).toEqual([{ rows: 10_000, are_young: true }]);
});

test('a slice is read by its blocks, not by a scan of the whole table', async () => {
  const { pool, table } = await createPipeline();
  await pool.query(
    `INSERT INTO ${table} SELECT 'acme', 'u' || i, '1', i, now(), now(), now() FROM generate_series(1, 20000) i`,
  );
  await pool.query(`ANALYZE ${table}`);
  const { queries: sql } = await import('../../../packages/postgres/src/generated/queries.ts');
  const statement = sql.purgeSessions.replaceAll('{session}', table);
  const values = ['$1', '$2', '$3', '$4', '$5'];
  const given = ['0', '10', '30', '24', 'true'];
  const text = values.reduce((rendered, name, i) => rendered.replaceAll(name, given[i] ?? ''), statement);
  const { rows } = await pool.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${text}`);
  const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
  expect(plan).toContain('Tid Range Scan');
  expect(plan).not.toContain('Seq Scan');
});

test('what goes is what the bot would miss: live neighbours of a purged session are untouched (P9)', async () => {
  const { queries } = await createPipeline();
  const young = savedDaysAgo('young', 1, { keep: true });
  await queries.upsertSessions([savedDaysAgo('old', 31), young]);
  await queries.purgeSessions(everything);
  const found = await queries.selectSessions([young.ref]);
  expect(userIds(found)).toEqual(['young']);
  expect(found).toMatchObject([{ version: young.version, state: '{"keep": true}' }]);
});

test.each([
  {
    kind: 'partitioned',
    making: (table: string) => `
      CREATE TABLE ${table} (LIKE aside INCLUDING ALL) PARTITION BY HASH (tenant_id, user_id);
      ${[0, 1, 2].map((i) => `CREATE TABLE part_${i} PARTITION OF ${table} FOR VALUES WITH (MODULUS 3, REMAINDER ${i});`).join('')}
      INSERT INTO ${table} SELECT * FROM aside`,
  },
  {
    kind: 'inherited',
    making: (table: string) => `
      CREATE TABLE ${table} (LIKE aside INCLUDING ALL);
      CREATE TABLE child () INHERITS (${table});
      INSERT INTO child SELECT * FROM aside`,
  },
])('the purge reaches every old row of a table that was made a $kind one', async ({ making }) => {
  const pipeline = await createPipeline();
  const { pool, table, queries, settings } = pipeline;
  await queries.upsertSessions([
    ...Array.from({ length: 30 }, (_, i) => savedDaysAgo(`old-${i}`, 40)),
    savedDaysAgo('young', 1),
  ]);
  const client = await pool.connect();
  await client.query(
    `SET search_path = "${settings.SESSION_DB_SCHEMA}"; ALTER TABLE ${table} RENAME TO aside; ${making(table)};
     UPDATE ${table} SET synced_at = now() - interval '2 days'`,
  );
  client.release(true);
  expect(await purge(pipeline, { historyDays: 30, isDryRun: true })).toMatchObject({ sessions: 30 });
  expect(await purge(pipeline, { historyDays: 30 })).toMatchObject({ sessions: 30 });
  expect(await remaining(pipeline)).toEqual(['young']);
});
