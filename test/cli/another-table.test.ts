import { expect, test } from 'vitest';
import { type AnotherTable, anotherTable } from '../helpers/another-table.ts';
import { companion } from '../helpers/companion.ts';
import { type Cli, type CliRun, createCli, secretState, user } from './cli.ts';

/** Sessions that are synced to one table, some of them dirty, and a command line that is set to another. */
async function mistaken(): Promise<{ cli: Cli; other: AnotherTable; run(args: string[]): Promise<CliRun> }> {
  const cli = await createCli();
  await cli.save(user('clean'), secretState());
  await cli.refusePoison();
  await cli.save(user('parked'), secretState({ poison: 1 }));
  expect((await cli.run(['drain', '--deadline', '10s'])).code).toBe(3);
  await cli.save(user('pending'), secretState());
  await cli.abandon('dead');
  const other = await anotherTable(cli);
  const env = { ...cli.env, SESSION_DB_SCHEMA: other.schema };
  return { cli, other, run: (args) => cli.run(args, { env }) };
}

test.each(['drain', 'replay --min-idle 0ms', 'parked retry --all', 'verify', 'verify --repair', 'resync'])(
  'cauce %s is refused with another table than the one the sessions are synced to',
  async (line) => {
    const { cli, other, run } = await mistaken();
    const before = [await cli.countDirty(), await cli.countEvents(), await cli.countPending()];
    const { code, stderr } = await run(line.split(' '));
    expect(stderr).toContain(`not to ${other.schema}.session of database`);
    expect(stderr).toContain('cauce resync --to-this-table');
    expect(code).toBe(2);
    expect([await cli.countDirty(), await cli.countEvents(), await cli.countPending()]).toEqual(before);
    expect(await other.countRows()).toBe(0);
    const layout = companion(other.table, 'layout');
    expect((await cli.pool.query(`SELECT FROM ${layout}`)).rows).toEqual([]);
  },
);

test('drain says so when nothing is dirty, too: that table has nothing', async () => {
  const cli = await createCli();
  await cli.save(user('ana'), secretState());
  expect((await cli.run(['drain'])).code).toBe(0);
  const { schema } = await anotherTable(cli);
  expect((await cli.run(['drain'], { env: { ...cli.env, SESSION_DB_SCHEMA: schema } })).code).toBe(2);
});

test('status shows it as a problem', async () => {
  const { run } = await mistaken();
  const { code, json } = await run(['status', '--sample', '0ms', '--json']);
  expect(code).toBe(3);
  expect(json).toMatchObject({
    postgres: { state: 'other_table' },
    problems: expect.arrayContaining([expect.objectContaining({ code: 'TABLE_MISMATCH' })]),
  });
});

test('a table that was never migrated is named, whatever the command', async () => {
  const cli = await createCli({ migrated: false });
  for (const args of [['drain'], ['verify'], ['replay'], ['resync', '--to-this-table', '--yes']]) {
    const { code, stderr } = await cli.run(args);
    expect([args[0], code]).toEqual([args[0], 1]);
    expect(stderr).toContain('cauce migrate');
  }
});

test('resync --to-this-table asks first, and names the table that the sessions are synced to from then on', async () => {
  const { cli, other, run } = await mistaken();
  expect(await run(['resync', '--to-this-table'])).toMatchObject({ code: 2 });
  expect(await run(['resync', '--to-this-table', '--since', '2h', '--yes'])).toMatchObject({ code: 2 });
  expect((await cli.run(['drain', '--deadline', '10s'])).code).toBe(3);
  const { code, stdout } = await run(['resync', '--to-this-table', '--yes']);
  expect(code).toBe(0);
  expect(stdout).toContain(`synced to ${other.schema}.session of database`);
  expect((await run(['parked', 'retry', '--all'])).code).toBe(0);
  expect((await run(['drain'])).code).toBe(0);
  expect(await other.countRows()).toBe(3);
  expect((await cli.run(['drain'])).code).toBe(2);
});
