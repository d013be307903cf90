import { expect, test } from 'vitest';
import { sessionTexts } from '../helpers/session-hash.ts';
import { createCli, secretState, user } from './cli.ts';

test('syncs everything by itself: new, abandoned, and what lost its event', async () => {
  const cli = await createCli();
  await cli.save(user('abandoned'), secretState());
  await cli.abandon('dead');
  await cli.save(user('lost'), secretState());
  const { key, partition } = cli.keyspace.locate(user('lost'));
  await cli.redis.xdel(cli.keyspace.changes(partition), (await sessionTexts(cli.redis, key)).event ?? '');
  for (let i = 0; i < 50; i++) await cli.save(user(`new-${i}`), secretState({ i }));

  const { code, json } = await cli.runJson(['drain', '--deadline', '20s']);

  expect(code).toBe(0);
  expect(json).toMatchObject({ v: 1, isEmpty: true, dirtyLeft: 0, parkedLeft: 0, report: { written: 52 } });
  expect(await cli.countDirty()).toBe(0);
  const { rows } = await cli.pool.query(`SELECT count(*)::int AS count FROM ${cli.table}`);
  expect(rows[0]).toEqual({ count: 52 });
});

test('claims what a dead consumer holds before the deadline, however long the claim idle time', async () => {
  const cli = await createCli();
  await cli.save(user('abandoned'), secretState());
  await cli.abandon('dead');
  const { code } = await cli.run(['drain', '--deadline', '3s'], {
    env: { ...cli.env, SYNC_CLAIM_IDLE: '600000' },
  });
  expect(code).toBe(0);
});

test('a deadline that is not divisible by three is as good as any', async () => {
  const cli = await createCli();
  await cli.save(user('abandoned'), secretState());
  await cli.abandon('dead');
  expect((await cli.run(['drain', '--deadline', '10s'])).code).toBe(0);
  expect((await cli.run(['drain', '--deadline', '1s'])).code).toBe(0);
});

test('an empty deployment is empty', async () => {
  const cli = await createCli();
  const { code, stdout } = await cli.run(['drain']);
  expect(code).toBe(0);
  expect(stdout).toContain('Empty');
});

test('waits for what a live consumer holds', async () => {
  const cli = await createCli();
  let release = (): void => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let isHeld = (): void => {};
  const holding = new Promise<void>((resolve) => {
    isHeld = resolve;
  });
  await cli.save(user('ana'), secretState());
  cli.startSync(
    { SYNC_CLAIM_IDLE: 30_000 },
    {
      onPhase: async (phase) => {
        if (phase !== 'taken') return;
        isHeld();
        await held;
      },
    },
  );
  await holding;

  const draining = cli.runJson(['drain', '--deadline', '30s'], {
    env: { ...cli.env, SYNC_CLAIM_IDLE: '30000' },
  });
  setTimeout(release, 500);

  const { code, json } = await draining;
  expect(code).toBe(0);
  expect(json).toMatchObject({ isEmpty: true, report: { written: 0 } });
});

test('exits 3 when PostgreSQL refuses a session, without waiting for its next attempt', async () => {
  const cli = await createCli();
  await cli.refusePoison();
  await cli.save(user('ana'), secretState({ poison: 1 }));
  await cli.save(user('bob'), secretState());

  const startedAtMs = performance.now();
  const { code, stdout, stderr } = await cli.run(['drain', '--deadline', '25s']);

  expect(code).toBe(3);
  expect(stdout).toContain('Not empty: 1 session left only in Redis, 1 of them parked.');
  expect(stderr).toContain('cauce parked list');
  expect(performance.now() - startedAtMs).toBeLessThan(25_000);
  expect(await cli.row(user('bob'))).toBeDefined();
});

test('exits 3 at the deadline while the table is gone, says why, and loses nothing', async () => {
  const cli = await createCli();
  await cli.save(user('ana'), secretState());
  await cli.pool.query(`ALTER TABLE ${cli.table} RENAME TO elsewhere`);

  const { code, json, stderr } = await cli.runJson(['drain', '--deadline', '1s']);

  expect(code).toBe(3);
  expect(json).toMatchObject({ isEmpty: false, dirtyLeft: 1, problem: { code: '42P01' } });
  expect(stderr).toContain('run `cauce migrate`');
  await cli.pool.query(`ALTER TABLE ${cli.table.replace('"session"', '"elsewhere"')} RENAME TO session`);
  expect((await cli.run(['drain', '--deadline', '20s'])).code).toBe(0);
  expect(await cli.row(user('ana'))).toBeDefined();
});

test('shows progress on a terminal only', async () => {
  const cli = await createCli();
  await cli.save(user('ana'), secretState());
  expect((await cli.run(['drain'], { isTTY: true })).stderr).toContain('draining: 0 dirty');
  await cli.save(user('ana'), secretState());
  expect((await cli.run(['drain'])).stderr).toBe('');
});
