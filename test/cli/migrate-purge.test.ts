import { expect, test } from 'vitest';
import { createCli, secretState, user } from './cli.ts';

test('migrate says what it would apply, applies it, and then has nothing to do', async () => {
  const cli = await createCli({ migrated: false });
  const dry = await cli.runJson(['migrate', '--dry-run']);
  expect(dry).toMatchObject({ code: 0, json: { v: 1, isDryRun: true } });
  expect(dry.json.migrations).toContain('0001_session');
  expect((await cli.pool.query('SELECT to_regclass($1) AS found', [cli.table])).rows).toEqual([
    { found: null },
  ]);

  expect((await cli.run(['migrate'])).stdout).toMatch(/^Applied \d+ migrations? /);
  expect((await cli.run(['migrate'])).stdout).toMatch(/^The tables are up to date/);
});

test('migrate exits 4 while PostgreSQL is away', async () => {
  const cli = await createCli({ migrated: false });
  const { code, json, stderr } = await cli.runJson(['migrate'], {
    env: { ...cli.env, DATABASE_URL: 'postgres://cauce:canary-7f3b1e@127.0.0.1:1/x' },
  });
  expect(code).toBe(4);
  expect(json).toMatchObject({ v: 1, error: { code: 'POSTGRES_UNAVAILABLE' } });
  expect(stderr).toContain('DATABASE_URL');
});

test('purge deletes what is older than the history, after a yes', async () => {
  const cli = await createCli();
  for (const name of ['old', 'young']) await cli.save(user(name), secretState());
  await cli.run(['drain']);
  await cli.pool.query(
    `UPDATE ${cli.table} SET updated_at = now() - interval '40 days', synced_at = now() - interval '40 days'
     WHERE user_id = 'old'`,
  );

  expect((await cli.run(['purge'])).code).toBe(2);
  expect((await cli.run(['purge'], { confirm: async () => false })).code).toBe(1);
  expect((await cli.runJson(['purge', '--dry-run'])).json).toMatchObject({ sessions: 1, isDryRun: true });
  expect((await cli.runJson(['purge', '--dry-run', '--history-days', '60'])).json).toMatchObject({
    sessions: 0,
  });
  expect(await cli.row(user('old'))).toBeDefined();

  const { code, stdout } = await cli.run(['purge', '--yes']);
  expect([code, stdout]).toEqual([0, 'Deleted 1 row and 0 conflicts older than 30 days.\n']);
  expect(await cli.row(user('old'))).toBeUndefined();
  expect(await cli.row(user('young'))).toBeDefined();
});
