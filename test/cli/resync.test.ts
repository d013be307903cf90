import { expect, test } from 'vitest';
import { type Cli, createCli, secretState, user } from './cli.ts';

async function syncedCli(): Promise<Cli> {
  const cli = await createCli();
  for (const name of ['ana', 'bo', 'cleared']) await cli.save(user(name), secretState());
  await cli.clear(user('cleared'));
  expect((await cli.run(['drain'])).code).toBe(0);
  return cli;
}

test('after PostgreSQL lost rows, what Redis holds is synced again, deletions too', async () => {
  const cli = await syncedCli();
  const before = await Promise.all([cli.row(user('ana')), cli.row(user('cleared'))]);
  await cli.pool.query(`DELETE FROM ${cli.table} WHERE user_id = 'ana'`);
  await cli.pool.query(`UPDATE ${cli.table} SET state = '{}', version = 1 WHERE user_id = 'cleared'`);
  const { code, json } = await cli.runJson(['resync']);
  expect(code).toBe(0);
  expect(json).toMatchObject({ v: 1, sinceVersion: '0', announced: 3, dirty: 0, older: 0 });
  expect((await cli.run(['drain'])).code).toBe(0);
  expect(await Promise.all([cli.row(user('ana')), cli.row(user('cleared'))])).toEqual(before);
  expect((await cli.run(['verify'])).code).toBe(0);
});

test('what was saved before --since is left alone, and what is on its way is not announced twice', async () => {
  const cli = await syncedCli();
  await cli.save(user('bo'), secretState());
  const events = await cli.countEvents();
  expect((await cli.runJson(['resync', '--since', '1h'])).json).toMatchObject({ announced: 2, dirty: 1 });
  expect(await cli.countEvents()).toBe(events + 2);
  await cli.run(['drain']);
  const later = { nowMs: () => Date.now() + 7_200_000 };
  const { stdout } = await cli.run(['resync', '--since', '1h'], later);
  expect(stdout).toContain('0 sessions announced again; 0 were already dirty, 3 are older.');
  expect((await cli.runJson(['resync', '--since', '2020-01-31T18:00Z'])).json).toMatchObject({
    announced: 3,
  });
});

test.each(['yesterday', '5', '2026-99-99', ''])(
  '--since %j is refused with what is allowed',
  async (since) => {
    const cli = await createCli();
    const { code, stderr } = await cli.run(['resync', '--since', since]);
    expect(code).toBe(2);
    expect(stderr).toContain('30m, 2h');
  },
);
