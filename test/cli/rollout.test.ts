import { createRolloutSessions } from '@cauce/session-client/postgres';
import { expect, onTestFinished, test } from 'vitest';
import { eventually } from '../helpers/eventually.ts';
import { type Cli, createCli, secretState, user } from './cli.ts';

function newBot({ redisUrl, databaseUrl, keyspace, settings }: Cli) {
  const { keyPrefix, partitions } = keyspace;
  const database = { databaseUrl, schema: settings.SESSION_DB_SCHEMA };
  const bot = createRolloutSessions({ redis: redisUrl, database, keyPrefix, partitions });
  onTestFinished(() => bot.close());
  return bot;
}

test('P10 a rollout goes forward and back, and says where it is', async () => {
  const cli = await createCli();
  cli.startSync();
  expect(await cli.run(['rollout', 'status'])).toMatchObject({
    ...{ code: 0, stdout: 'No rollout: all sessions are saved in Redis.\n' },
  });
  const early = await cli.run(['rollout', 'set', '10']);
  expect([early.code, early.stderr]).toEqual([2, expect.stringContaining('cauce rollout start')]);
  expect((await cli.run(['rollout', 'start'])).code).toBe(2);

  const started = await cli.runJson(['rollout', 'start', '--from', 'redis']);
  expect(started).toMatchObject({ code: 0, json: { v: 1, started: 4, arrived: 4 } });
  const again = await cli.run(['rollout', 'start', '--from', 'direct']);
  expect([again.code, again.stderr]).toEqual([0, expect.stringContaining('stored already')]);

  const bot = newBot(cli);
  const state = secretState();
  await bot.saveUserState(user('ana'), state);
  const back = await cli.run(['rollout', 'back']);
  expect([back.code, back.stdout]).toEqual([
    0,
    expect.stringContaining('0 of 4 partitions in Redis (0.0 %).'),
  ]);
  expect(back.stdout).toMatch(/Moved 4 partitions; saves of one waited for .* at most\./);
  expect(await cli.row(user('ana'))).toMatchObject({ state });

  const forward = await cli.runJson(['rollout', 'set', '50']);
  expect(forward).toMatchObject({ code: 0, json: { aborted: 0, status: { percentInRedis: 50 } } });
  expect((await cli.run(['rollout', 'status'])).stdout).toContain('2 of 4 partitions in Redis (50.0 %).');
  expect(await bot.getUserState(user('ana'))).toEqual(state);
});

test.each(['-1', '101', 'half', '1e1', ''])('P10 %j is no percentage', async (percent) => {
  const cli = await createCli({ migrated: false });
  expect((await cli.run(['rollout', 'set', '--', percent])).code).toBe(2);
});

test('P10 direct saves are no start while only Redis has sessions', async () => {
  const cli = await createCli();
  await cli.save(user('ana'), secretState());
  const { code, stderr } = await cli.run(['rollout', 'start', '--from', 'direct']);
  expect([code, stderr]).toEqual([1, expect.stringMatching(/1 session in Redis.*cauce drain/s)]);
});

test('P10 what cannot go back stays in Redis, with the reason; what is on its way is shown', async () => {
  const cli = await createCli();
  const sync = cli.startSync();
  await cli.refusePoison();
  await cli.run(['rollout', 'start', '--from', 'redis']);
  const bot = newBot(cli);
  await bot.saveUserState(user('ana'), secretState({ poison: true }));
  const { partition } = cli.keyspace.locate(user('ana'));
  await eventually(async () => expect(await cli.redis.hlen(cli.keyspace.parked(partition))).toBe(1));
  const { code, stdout, stderr } = await cli.run(['rollout', 'back']);
  expect(code).toBe(3);
  expect(stdout).toContain('1 of 4 partitions in Redis (25.0 %).');
  expect(stderr).toContain(`partition ${partition} stayed: PostgreSQL refuses sessions of it.`);

  await sync.stop();
  await cli.pool.query(
    `UPDATE "${cli.settings.SESSION_DB_SCHEMA}".session_mode SET mode = 'to_direct', term = term + 1 WHERE scope = $1`,
    [`p:${partition}`],
  );
  const status = await cli.run(['rollout', 'status']);
  expect(status.code).toBe(3);
  expect(status.stdout).toMatch(new RegExp(`${partition} +to_direct \\(term \\d+\\) +redis \\(term \\d+\\)`));
});
