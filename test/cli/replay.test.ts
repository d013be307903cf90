import { replay, syncOptionsOf } from '@cauce/admin';
import { hostClocks } from '@cauce/protocol';
import { readSettings } from '@cauce/sync-consumer';
import { expect, test } from 'vitest';
import { createCli, secretState, user } from './cli.ts';

const ana = user('ana');
const bob = user('bob');

test('recovers what a consumer left pending, and says so', async () => {
  const cli = await createCli();
  const version = await cli.save(ana, secretState({ step: 1 }));
  await cli.save(bob, secretState({ step: 2 }));
  expect(await cli.abandon('dead')).toBe(2);

  const { code, json } = await cli.runJson(['replay', '--consumer', 'dead', '--min-idle', '0ms']);

  expect(code).toBe(0);
  expect(json).toMatchObject({ v: 1, found: 2, claimed: 2, stillFailing: 0, report: { written: 2 } });
  expect(await cli.row(ana)).toMatchObject({ state: { step: 1 }, version });
  expect(await cli.row(bob)).toMatchObject({ state: { step: 2 } });
  expect([await cli.countDirty(), await cli.countEvents(), await cli.countPending()]).toEqual([0, 0, 0]);
});

test('replays more than one page and one round', async () => {
  const cli = await createCli({ partitions: 1 });
  for (let i = 0; i < 1100; i++) await cli.save(user(`u${i}`), secretState({ i }));
  expect(await cli.abandon('dead')).toBe(1100);

  const { code, json } = await cli.runJson(['replay', '--min-idle', '0ms'], {
    env: { ...cli.env, SYNC_BATCH_ROWS: '100', SYNC_BATCHES_IN_FLIGHT: '2' },
  });

  expect(code).toBe(0);
  expect(json).toMatchObject({ found: 1100, claimed: 1100, report: { written: 1100, statements: 11 } });
  expect([await cli.countDirty(), await cli.countPending()]).toEqual([0, 0]);
});

test('forgets the name it used', async () => {
  const cli = await createCli();
  await cli.save(ana, secretState());
  await cli.abandon('dead');
  await cli.run(['replay', '--min-idle', '0ms']);

  for (let partition = 0; partition < cli.keyspace.partitions; partition++) {
    const consumers = (await cli.redis.xinfo(
      'CONSUMERS',
      cli.keyspace.changes(partition),
      'sync',
    )) as string[][];
    expect(consumers.map((flat) => flat[1])).toEqual(consumers.length === 0 ? [] : ['dead']);
  }
});

test('a dry run counts and changes nothing', async () => {
  const cli = await createCli();
  await cli.save(ana, secretState());
  await cli.abandon('dead');
  const changes = cli.keyspace.changes(cli.keyspace.locate(ana).partition);
  const before = await cli.redis.xpending(changes, 'sync');

  const { code, stdout } = await cli.run(['replay', '--min-idle', '0ms', '--dry-run']);

  expect(code).toBe(0);
  expect(stdout).toBe('Would take over 1 pending event.\n');
  expect(await cli.redis.xpending(changes, 'sync')).toEqual(before);
  expect(await cli.row(ana)).toBeUndefined();
});

test('leaves events alone that are not idle for long enough, and those of other consumers', async () => {
  const cli = await createCli();
  await cli.save(ana, secretState());
  await cli.abandon('busy');

  expect((await cli.runJson(['replay', '--min-idle', '1h'])).json).toMatchObject({ found: 0 });
  expect((await cli.runJson(['replay', '--min-idle', '0ms', '--consumer', 'other'])).json).toMatchObject({
    found: 0,
  });
  expect(await cli.countPending()).toBe(1);
  expect(await cli.row(ana)).toBeUndefined();
});

test('what was committed before the consumer died is already there', async () => {
  const cli = await createCli();
  const version = await cli.save(ana, secretState());
  await cli.abandon('dead');
  await cli.queries.upsertSessions([{ ref: ana, state: JSON.stringify(secretState()), version }]);

  const { code, json } = await cli.runJson(['replay', '--min-idle', '0ms']);

  expect(code).toBe(0);
  expect(json).toMatchObject({ report: { written: 0, duplicate: 1 } });
  expect(await cli.countDirty()).toBe(0);
});

test('an event whose session was synced and saved again by others meanwhile is superseded, never written back', async () => {
  const cli = await createCli();
  await cli.save(ana, secretState({ step: 1 }));
  await cli.abandon('dead');
  let newest = '';
  let isFirst = true;

  const result = await replay(
    {
      ...{ ...cli, ...hostClocks },
      onPhase: async (phase) => {
        if (phase !== 'taken' || !isFirst) return;
        isFirst = false;
        newest = await cli.save(ana, secretState({ step: 2 }));
        await cli.queries.upsertSessions([{ ref: ana, state: '{"step":2}', version: newest }]);
      },
    },
    { ...syncOptionsOf(readSettings(cli.env)), minIdleMs: 0, signal: new AbortController().signal },
  );

  expect(result.report).toMatchObject({ written: 0, superseded: 1, conflict: 0 });
  expect(await cli.row(ana)).toEqual({ state: { step: 2 }, version: newest });
});

test('what PostgreSQL refuses is reported and exits 3; the others are written', async () => {
  const cli = await createCli();
  await cli.refusePoison();
  await cli.save(ana, secretState({ poison: true }));
  await cli.save(bob, secretState());
  await cli.abandon('dead');

  const { code, stdout } = await cli.run(['replay', '--min-idle', '0ms']);

  expect(code).toBe(3);
  expect(stdout).toMatch(/written +1\n/);
  expect(stdout).toMatch(/parked +1\n/);
  expect(await cli.row(bob)).toBeDefined();
});

test('while PostgreSQL is away it exits 4 with the reason, and claims nothing', async () => {
  const cli = await createCli();
  await cli.save(ana, secretState());
  await cli.abandon('dead');

  const { code, json, stderr } = await cli.runJson(['replay', '--min-idle', '0ms', '--patience', '300ms'], {
    env: { ...cli.env, DATABASE_URL: 'postgres://cauce:canary-7f3b1e@127.0.0.1:1/cauce' },
  });

  expect(code).toBe(4);
  expect(json).toMatchObject({ claimed: 0, problem: { class: 'transient', code: 'ECONNREFUSED' } });
  expect(stderr).toContain('stays pending');
  expect(await cli.countPending()).toBe(1);
  expect((await cli.runJson(['replay', '--min-idle', '0ms'])).json).toMatchObject({ report: { written: 1 } });
});

test('without the tables it says to migrate, at once', async () => {
  const cli = await createCli({ migrated: false });
  await cli.save(ana, secretState());
  await cli.abandon('dead');

  const { code, stderr } = await cli.run(['replay', '--min-idle', '0ms', '--patience', '1h']);

  expect(code).toBe(1);
  expect(stderr).toContain('run `cauce migrate`');
  expect(await cli.countPending()).toBe(1);
});

test('refuses a partition there is not', async () => {
  const cli = await createCli();
  const { code, stderr } = await cli.run(['replay', '--partition', '4']);
  expect(code).toBe(2);
  expect(stderr).toContain('allowed is 0 to 3');
});
