import { createPostgresLoader } from '@cauce/session-client/postgres';
import { expect, inject, onTestFinished, test } from 'vitest';
import { eventually } from '../../helpers/eventually.ts';
import { connectPostgres } from '../../helpers/isolated.ts';
import { createPipeline } from '../../helpers/pipeline.ts';

const ana = { tenantId: 'acme', userId: 'ana' };
const next = { state: '{"step":2}', version: '6', isTombstone: false };

const work = {
  'writes of a locked row': {
    lock: (table: string) => `BEGIN; SELECT 1 FROM ${table} FOR UPDATE`,
    ask: (loader: ReturnType<typeof createPostgresLoader>) => loader.write(ana, next, {}),
  },
  'loads from a locked table': {
    lock: (table: string) => `BEGIN; LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`,
    ask: (loader: ReturnType<typeof createPostgresLoader>) => loader.load([ana], {}),
  },
};

test.each(
  Object.entries(work).flatMap(([what, how]) => [
    { what, ...how, on: 'of its own', open: () => ({ databaseUrl: inject('databaseUrl') }) },
    { what, ...how, on: 'that it was given', open: () => ({ pool: connectPostgres() }) },
  ]),
)('abandoned $what leave no backend waiting, on a pool $on', async ({ lock, ask, open }) => {
  const { pool, table, queries, settings } = await createPipeline();
  await queries.upsertSessions([{ ref: ana, state: '{"step":1}', version: '5' }]);
  const schema = settings.SESSION_DB_SCHEMA ?? '';
  const holder = await pool.connect();
  onTestFinished(() => holder.release(true));
  await holder.query(lock(table));
  await using loader = createPostgresLoader({ ...open(), schema, timeoutMs: 300, maxConcurrent: 4 });
  const waiting = async (): Promise<number> => {
    const { rows } = await pool.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM pg_stat_activity
       WHERE wait_event_type = 'Lock' AND query LIKE $1`,
      [`%${schema}.session%`],
    );
    return rows[0]?.count ?? 0;
  };

  let most = 0;
  for (let round = 0; round < 3; round++) {
    const answers = Promise.allSettled(Array.from({ length: 4 }, () => ask(loader)));
    most = Math.max(
      most,
      await eventually(async () => {
        const count = await waiting();
        expect(count).toBeGreaterThan(0);
        return count;
      }),
    );
    expect((await answers).every(({ status }) => status === 'rejected')).toBe(true);
  }
  expect(Math.max(most, await waiting())).toBeLessThanOrEqual(4);
  // The server has given up too, while the lock is still held.
  await eventually(async () => expect(await waiting()).toBe(0), 2000);
  await holder.query('ROLLBACK');
  expect((await pool.query(`SELECT version FROM ${table}`)).rows).toEqual([{ version: '5' }]);
  await eventually(async () => void (await ask(loader)));
});

test('a write whose turn comes when nobody waits for it any more is not sent', async () => {
  const { pool, table, queries, settings } = await createPipeline();
  await queries.upsertSessions([{ ref: ana, state: '{"step":1}', version: '5' }]);
  const schema = settings.SESSION_DB_SCHEMA ?? '';
  const busy = connectPostgres();
  const held = await Promise.all(Array.from({ length: 8 }, () => busy.connect()));
  await using loader = createPostgresLoader({ pool: busy, schema, timeoutMs: 200 });
  await expect(loader.write(ana, next, {})).rejects.toThrow();
  for (const client of held) client.release();
  expect(await eventually(() => loader.load([ana], {}))).toMatchObject([{ version: '5' }]);
  expect((await pool.query(`SELECT version FROM ${table}`)).rows).toEqual([{ version: '5' }]);
});
