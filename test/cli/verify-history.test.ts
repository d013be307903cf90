import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { recordHistory } from '@cauce/history';
import { createSessionClient, type SessionClient } from '@cauce/session-client';
import { createPostgresLoader } from '@cauce/session-client/postgres';
import { expect, onTestFinished, test } from 'vitest';
import { rewriteSession, sessionTexts } from '../helpers/session-hash.ts';
import { CANARY, type Cli, createCli, secretState, user } from './cli.ts';

interface Recorded {
  readonly cli: Cli;
  readonly file: string;
  /** A bot whose history goes to the file. */
  readonly bot: SessionClient<object>;
  keyOf(userId: string): string;
  /** Runs `cauce verify --history`, which must find exactly these kinds; 0 or 3. */
  expectFound(...kinds: string[]): Promise<void>;
}

/** One session of each sort: saved, cleared, updated, loaded only; synced, and not to be seen by anybody else. */
async function recordedRun(): Promise<Recorded> {
  const cli = await createCli();
  const folder = mkdtempSync(join(tmpdir(), 'cauce-history-'));
  const file = join(folder, 'history.jsonl');
  const loader = createPostgresLoader({
    databaseUrl: cli.databaseUrl,
    schema: String(cli.settings.SESSION_DB_SCHEMA),
  });
  const { keyPrefix, partitions } = cli.keyspace;
  const client = createSessionClient<object>({ redis: cli.redisUrl, keyPrefix, partitions, loader });
  const bot = recordHistory(client, { file, proc: 'bot' });
  onTestFinished(async () => {
    await bot.close();
    await loader.close();
    rmSync(folder, { recursive: true });
  });

  await cli.save(user('before'), secretState({ from: 'before the recording' }));
  await bot.getUserState(user('before'));
  await bot.saveUserState(user('saved'), secretState({ step: 1 }));
  await bot.saveUserState(user('saved'), secretState({ step: 2, total: 1e21, '10': -0, '9': 0.1 }));
  await bot.getUserState(user('saved'));
  await bot.saveUserState(user('cleared'), secretState());
  await bot.clearUserState(user('cleared'));
  for (let i = 0; i < 3; i++) {
    await bot.updateUserState(user('updated'), (state = {}) => ({ ...state, [`turn${i}`]: CANARY }));
  }
  await bot.getUserStates(['saved', 'cleared', 'updated', 'nobody'].map(user));
  await cli.run(['drain']);
  expect(readFileSync(file, 'utf8')).not.toContain(CANARY);

  return {
    ...{ cli, file, bot },
    keyOf: (userId) => cli.keyspace.locate(user(userId)).key,
    async expectFound(...kinds) {
      const { code, json, stdout } = await cli.runJson(['verify', '--history', file, '--wait', '0ms']);
      const byKind = Object.entries(json.byKind as Record<string, number>);
      expect(
        byKind.flatMap(([kind, found]) => (found > 0 ? [kind] : [])),
        stdout,
      ).toEqual(kinds);
      expect(code).toBe(kinds.length > 0 ? 3 : 0);
    },
  };
}

const query =
  (sql: string) =>
  async ({ cli }: Recorded) => {
    const { rowCount } = await cli.pool.query(sql.replace('{table}', cli.table));
    expect(rowCount).toBe(1);
  };

test('finds nothing in a run in which nothing went wrong, and says what it looked at', async () => {
  const { cli, file } = await recordedRun();
  const { code, json } = await cli.runJson(['verify', '--history', file]);
  expect(code).toBe(0);
  expect(json).toMatchObject({
    ...{ acknowledged: 7, clears: 1, updates: 3, unknown: 0, refused: 0 },
    ...{ loads: 6, failedLoads: 0, sessions: 5, violations: 0, examples: [] },
  });
  const { stdout } = await cli.run(['verify', '--history', file]);
  expect(stdout).toContain('Nothing lost, wrong or stale: 7 acknowledged saves (1 clear, 3 updates)');
});

test.each<[string, string[], (run: Recorded) => Promise<unknown>]>([
  // Redis still has it, and it differs.
  ['a row that is gone', ['lost', 'diverged'], query("DELETE FROM {table} WHERE user_id = 'saved'")],
  [
    'a row that went back',
    ['lost', 'diverged'],
    query("UPDATE {table} SET version = version - 1 WHERE user_id = 'saved'"),
  ],
  [
    'a row with another state',
    ['wrong', 'diverged'],
    query(`UPDATE {table} SET state = '{"step":3}' WHERE user_id = 'updated'`),
  ],
  [
    'a row nobody wrote',
    ['unexplained', 'diverged'],
    query(`UPDATE {table} SET version = version + 1, state = '{"step":3}' WHERE user_id = 'saved'`),
  ],
  [
    'a deleted session that is back',
    ['resurrected', 'diverged'],
    query(`UPDATE {table} SET version = version + 1, state = '{"step":3}' WHERE user_id = 'cleared'`),
  ],
  [
    'a session in Redis that is not its row',
    ['diverged'],
    ({ cli, keyOf }) => rewriteSession(cli.redis, keyOf('saved'), { state: '{}' }),
  ],
  [
    'a tombstone that lives in Redis',
    ['resurrected'],
    ({ cli, keyOf }) => rewriteSession(cli.redis, keyOf('cleared'), { tombstone: '0', state: '{}' }),
  ],
  [
    'a session in Redis that is none',
    ['diverged'],
    async ({ cli, keyOf }) => {
      await cli.redis.del(keyOf('saved'));
      await cli.redis.set(keyOf('saved'), 'x');
    },
  ],
  ['a clean session that never expires', ['diverged'], ({ cli, keyOf }) => cli.redis.persist(keyOf('saved'))],
  [
    'a dirty session no consumer can find',
    ['lost', 'diverged'],
    async ({ cli, keyOf, bot }) => {
      await bot.saveUserState(user('saved'), {});
      await cli.redis.zrem(cli.keyspace.dirty(cli.keyspace.locate(user('saved')).partition), keyOf('saved'));
    },
  ],
  [
    'a load of what had been replaced',
    ['stale'],
    async ({ cli, keyOf, bot }) => {
      const old = await cli.redis.hgetall(keyOf('saved'));
      await bot.saveUserState(user('saved'), { step: 3 });
      const present = await cli.redis.hgetall(keyOf('saved'));
      await cli.redis.hset(keyOf('saved'), old);
      await bot.getUserState(user('saved'));
      await cli.redis.hset(keyOf('saved'), present);
      await cli.run(['drain']);
    },
  ],
  [
    'a change that was overwritten',
    ['lost update'],
    async ({ cli, bot, keyOf }) => {
      // Redis hands out the state of two saves ago, at the present version.
      await bot.saveUserState(user('saved'), { step: 3 });
      const { state } = await sessionTexts(cli.redis, keyOf('updated'));
      await bot.updateUserState(user('updated'), (before) => ({ ...before, turn: 4 }));
      await rewriteSession(cli.redis, keyOf('updated'), { state: String(state) });
      await bot.updateUserState(user('updated'), (state) => ({ ...state, turn: 5 }));
      await cli.run(['drain']);
    },
  ],
  [
    'a save that was forged in the file',
    ['wrong'],
    async ({ file }) => {
      const lines = readFileSync(file, 'utf8').split('\n');
      const i = lines.findLastIndex((line) => line.includes('"op":"save","session":"acme:saved"'));
      lines[i] = String(lines[i]).replace(/"state":"[^"]{43}"/, `"state":"${'A'.repeat(43)}"`);
      writeFileSync(file, lines.join('\n'));
    },
  ],
])('finds %s', async (_, kinds, breakIt) => {
  const run = await recordedRun();
  await run.expectFound();
  await breakIt(run);
  await run.expectFound(...kinds);
});

test('sessions that expired, rows that may have been purged and a bot that was killed are no violations', async () => {
  const run = await recordedRun();
  const { cli, file, keyOf } = run;
  await cli.redis.del(keyOf('saved'), keyOf('cleared'));
  await run.expectFound();
  await cli.pool.query(`DELETE FROM ${cli.table}`);
  const inAMonth = { nowMs: () => Date.now() + 40 * 86_400_000 };
  const later = await cli.runJson(['verify', '--history', file], inAMonth);
  expect(later.json).toMatchObject({ violations: 0 });

  await run.bot.close();
  appendFileSync(file, '{"us":12,"proc":"bo');
  expect((await cli.runJson(['verify', '--history', file], inAMonth)).code).toBe(0);
});

test('a save without an answer may have happened or not', async () => {
  const run = await recordedRun();
  const { cli, file, bot } = run;
  await bot.saveUserState(user('saved'), { step: 3 });
  await cli.run(['drain']);
  // As if the bot had been killed: the answer is missing.
  writeFileSync(
    file,
    readFileSync(file, 'utf8')
      .trimEnd()
      .replace(/\n[^\n]+$/, '\n'),
  );
  await run.expectFound();
  await cli.pool.query(`UPDATE ${cli.table} SET state = '{}' WHERE user_id = 'saved'`);
  await cli.redis.del(run.keyOf('saved'));
  await run.expectFound('unexplained');
});

test('waits for dirty sessions; those that stay so are stuck or parked, and not lost', async () => {
  const run = await recordedRun();
  const { cli, file, bot } = run;
  await cli.refusePoison();
  await bot.saveUserState(user('updated'), { poison: 1 });
  await cli.run(['drain', '--deadline', '3s']);
  await bot.saveUserState(user('saved'), { step: 3 });
  await run.expectFound('parked', 'stuck');

  await cli.acceptPoison();
  const waiting = cli.runJson(['verify', '--history', file]);
  await cli.run(['parked', 'retry', '--all']);
  await cli.run(['drain']);
  await waiting;
  await run.expectFound();
});

test('refuses what is no history, names file and line, and exits with 2', async () => {
  const { cli, file } = await recordedRun();
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  writeFileSync(file, [...lines.slice(0, 5), '{"state":"secret"}', ...lines.slice(5)].join('\n'));
  const garbage = await cli.run(['verify', '--history', file]);
  expect([garbage.code, garbage.stderr]).toEqual([
    2,
    expect.stringContaining(`${file}:6: not a line of a history`),
  ]);
  const missing = await cli.run(['verify', '--history', `${file}.none`]);
  expect([missing.code, missing.stderr]).toEqual([2, expect.stringContaining('cannot be read: ENOENT')]);
  expect((await cli.run(['verify', '--repair', '--history', file])).code).toBe(2);
});
