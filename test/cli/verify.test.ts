import { verify } from '@cauce/admin';
import { hostClocks } from '@cauce/protocol';
import { expect, test } from 'vitest';
import { rewriteSession, sessionTexts } from '../helpers/session-hash.ts';
import { type Cli, createCli, secretState, user } from './cli.ts';

interface Difference {
  session: string;
  difference: string;
}

/** Five clean sessions, four of them out of step with their row in one way each. */
async function outOfStep(): Promise<Cli> {
  const cli = await createCli();
  for (const name of ['same', 'missing', 'older', 'newer', 'other']) {
    await cli.save(user(name), secretState({ name }));
  }
  expect((await cli.run(['drain'])).code).toBe(0);
  await cli.pool.query(`DELETE FROM ${cli.table} WHERE user_id = 'missing'`);
  await cli.pool.query(`UPDATE ${cli.table} SET version = version - 1 WHERE user_id = 'older'`);
  await cli.pool.query(
    `UPDATE ${cli.table} SET version = version + 1, state = '{"from":"row"}' WHERE user_id = 'newer'`,
  );
  await cli.pool.query(`UPDATE ${cli.table} SET state = '{"other":1}' WHERE user_id = 'other'`);
  return cli;
}

test('finds each kind of difference, names the session and never the state', async () => {
  const cli = await outOfStep();
  const { code, json, stdout } = await cli.runJson(['verify']);

  expect(code).toBe(3);
  expect(json).toMatchObject({
    v: 1,
    checked: 5,
    dirty: 0,
    different: 4,
    byDifference: { missing: 1, older_row: 1, newer_row: 1, other_state: 1, unreadable: 0 },
  });
  const found = Object.fromEntries(
    (json.differences as Difference[]).map(({ session, difference }) => [session, difference]),
  );
  expect(found).toEqual({
    'acme:missing': 'missing',
    'acme:older': 'older_row',
    'acme:newer': 'newer_row',
    'acme:other': 'other_state',
  });
  expect(stdout).not.toContain('from');
});

test('repairs them: the row gets what Redis holds, and Redis a newer row, its own state archived', async () => {
  const cli = await outOfStep();
  const { code, json } = await cli.runJson(['verify', '--repair']);

  expect(code).toBe(0);
  expect(json).toMatchObject({ byRepair: { reissued: 3, adopted: 1, superseded: 0, none: 0 } });
  expect((await cli.run(['drain'])).code).toBe(0);
  for (const name of ['missing', 'older', 'other']) {
    expect((await cli.row(user(name)))?.state).toMatchObject({ name });
  }
  expect(await sessionTexts(cli.redis, cli.keyspace.locate(user('newer')).key)).toMatchObject({
    state: '{"from": "row"}',
  });
  const conflicts = await cli.pool.query(
    `SELECT user_id, state->>'name' AS name FROM ${cli.table.replace('"session"', '"session_conflict"')}`,
  );
  expect(conflicts.rows).toEqual([{ user_id: 'newer', name: 'newer' }]);
  expect((await cli.run(['verify'])).code).toBe(0);
});

test('a dry run of the repair changes nothing', async () => {
  const cli = await outOfStep();
  const { code, json } = await cli.runJson(['verify', '--repair', '--dry-run']);
  expect(code).toBe(3);
  expect(json).toMatchObject({ different: 4, byRepair: { reissued: 0, adopted: 0 } });
  expect(await cli.countDirty()).toBe(0);
  expect((await cli.runJson(['verify'])).json).toMatchObject({ different: 4 });
});

test('dirty sessions are counted and are no difference', async () => {
  const cli = await createCli();
  await cli.save(user('new'), secretState());
  await cli.save(user('changed'), secretState({ step: 1 }));
  await cli.run(['drain']);
  await cli.save(user('changed'), secretState({ step: 2 }));
  await cli.save(user('only-in-redis'), secretState());

  const { code, json, stdout } = await cli.runJson(['verify']);
  expect(code, stdout).toBe(0);
  expect(json).toMatchObject({ checked: 1, dirty: 2, different: 0 });
});

test('tombstones, hostile ids and large batches are compared too', async () => {
  const cli = await createCli();
  for (let i = 0; i < 30; i++) await cli.save({ tenantId: 'a:b%', userId: `{${i}}*?` }, secretState({ i }));
  await cli.save(user('gone'), secretState());
  await cli.clear(user('gone'));
  await cli.run(['drain']);
  await cli.pool.query(`UPDATE ${cli.table} SET state = '{}' WHERE user_id = '{7}*?'`);

  const { json } = await cli.runJson(['verify'], { env: { ...cli.env, SYNC_BATCH_ROWS: '4' } });
  expect(json).toMatchObject({ checked: 31, different: 1, byDifference: { other_state: 1 } });
});

test('walks the whole keyspace, not only what the first SCAN returns', async () => {
  const cli = await createCli();
  for (let i = 0; i < 2500; i++) await cli.save(user(`u${i}`), { i });
  expect((await cli.runJson(['verify'])).json).toMatchObject({ checked: 0, dirty: 2500 });
});

test('a session that cannot be a row is reported, its neighbours are compared', async () => {
  const cli = await createCli();
  for (const name of ['a', 'b', 'c', 'other', 'broken']) await cli.save(user(name), secretState());
  await cli.run(['drain']);
  await cli.pool.query(`UPDATE ${cli.table} SET state = '{}' WHERE user_id = 'other'`);
  await rewriteSession(cli.redis, cli.keyspace.locate(user('broken')).key, { state: '{not json' });
  await cli.redis.set(cli.keyspace.locate(user('a-string')).key, 'x');

  const { code, json } = await cli.runJson(['verify', '--repair']);
  expect(code).toBe(3);
  expect(json).toMatchObject({
    checked: 5,
    different: 3,
    byDifference: { unreadable: 2, other_state: 1 },
    byRepair: { none: 2, reissued: 1 },
  });
  const unreadable = (json.differences as Difference[]).filter(
    ({ difference }) => difference === 'unreadable',
  );
  expect(unreadable.map(({ session }) => session).sort()).toEqual(['acme:a-string', 'acme:broken']);
});

test('a save and a sync between the two reads are no difference', async () => {
  const cli = await createCli();
  await cli.save(user('ana'), secretState({ step: 1 }));
  await cli.run(['drain']);
  let asked = 0;
  const result = await verify(
    {
      ...{ ...cli, ...hostClocks },
      queries: {
        ...cli.queries,
        async compareSessions(sessions) {
          if (asked++ === 0) {
            await cli.save(user('ana'), secretState({ step: 2 }));
            await cli.run(['drain']);
          }
          return cli.queries.compareSessions(sessions);
        },
      },
    },
    { batchRows: 500, sessionTtlMs: 1000, historyDays: 30 },
  );
  expect(asked).toBeGreaterThan(1);
  expect(result).toMatchObject({ checked: 1, different: 0 });
});

test('a row that the purge took is not missing', async () => {
  const cli = await createCli();
  const { key } = cli.keyspace.locate(user('old'));
  const old = String((Date.now() - 40 * 86_400_000) * 1000);
  await rewriteSession(cli.redis, key, { version: old });

  expect((await cli.runJson(['verify'])).json).toMatchObject({ purged: 1, different: 0 });
  const strict = await cli.runJson(['verify'], { env: { ...cli.env, SESSION_HISTORY_DAYS: '60' } });
  expect(strict.json).toMatchObject({ purged: 0, byDifference: { missing: 1 } });
});

test('lists at most --limit differences and counts all', async () => {
  const cli = await outOfStep();
  const { json } = await cli.runJson(['verify', '--limit', '1']);
  expect(json).toMatchObject({ different: 4 });
  expect(json.differences).toHaveLength(1);
});

test('exits 4 while PostgreSQL is away, and says to migrate when there are no tables', async () => {
  const cli = await createCli({ migrated: false });
  await rewriteSession(cli.redis, cli.keyspace.locate(user('ana')).key, {});
  const away = await cli.run(['verify'], {
    env: { ...cli.env, DATABASE_URL: 'postgres://cauce:canary-7f3b1e@127.0.0.1:1/x' },
  });
  expect(away.code).toBe(4);
  const unmigrated = await cli.run(['verify']);
  expect(unmigrated.code).toBe(1);
  expect(unmigrated.stderr).toContain('run `cauce migrate`');
});
