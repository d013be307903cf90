import { type AdminDeps, readRollout, setRollout, startRollout, syncOptionsOf } from '@cauce/admin';
import { hostClocks, type SessionRef } from '@cauce/protocol';
import type { SessionClient } from '@cauce/session-client';
import { createRolloutSessions, type RolloutSessionsOptions } from '@cauce/session-client/postgres';
import { readSettings } from '@cauce/sync-consumer';
import { expect, onTestFinished, test } from 'vitest';
import { eventually } from '../helpers/eventually.ts';
import { ownRedis } from '../helpers/own-servers.ts';
import { createPipeline, type Pipeline } from '../helpers/pipeline.ts';

interface State {
  readonly n: number;
}

interface Rollout extends Pipeline {
  readonly admin: AdminDeps;
  /** Another bot; each follows the writer modes by itself. */
  newBot(options?: Partial<RolloutSessionsOptions<State>>): SessionClient<State>;
  start(from: 'redis' | 'direct'): ReturnType<typeof startRollout>;
  set(percent: number, options?: { deadlineMs?: number; admin?: AdminDeps }): ReturnType<typeof setRollout>;
}

const user = (i: number): SessionRef => ({ tenantId: 'acme', userId: `u${i}` });

async function rollout(options: Parameters<typeof createPipeline>[0] = {}): Promise<Rollout> {
  const pipeline = await createPipeline({ partitions: 8, ...options });
  const { redis, keyspace, scripts, queries, redisUrl, databaseUrl, settings } = pipeline;
  const { keyPrefix, partitions } = keyspace;
  const { SESSION_DB_SCHEMA: schema } = settings;
  const newBot: Rollout['newBot'] = (more = {}) => {
    const database = { databaseUrl, schema };
    const bot = createRolloutSessions<State>({ redis: redisUrl, database, keyPrefix, partitions, ...more });
    onTestFinished(() => bot.close());
    return bot;
  };
  const admin = { ...hostClocks, redis, keyspace, scripts, queries };
  const call = {
    ...syncOptionsOf(readSettings(pipeline.env)),
    actor: 'a test',
    signal: new AbortController().signal,
  };
  return {
    ...{ ...pipeline, admin, newBot },
    start: (from) => startRollout(admin, { ...call, from }),
    set: (percent, { admin: given = admin, ...more } = {}) =>
      setRollout(given, percent, { ...call, ...more }),
  };
}

test('P10 all partitions go to direct saves and back to Redis while bots update the same sessions: each update counts once, and no load is stale', async () => {
  const { start, set, newBot, startSync } = await rollout();
  startSync();
  await start('redis');
  const users = Array.from({ length: 12 }, (_, i) => user(i));
  const counts = users.map(() => 0);
  const stale: string[] = [];
  let isOver = false;
  const bots = Array.from({ length: 6 }, async (_, bot) => {
    const sessions = newBot({ moveWaitMs: 30_000 });
    for (let i = bot; !isOver; i++) {
      const who = i % users.length;
      const ref = users[who] as SessionRef;
      const acknowledged = counts[who] as number;
      const loaded = (await sessions.getUserState(ref))?.n ?? 0;
      if (loaded < acknowledged) stale.push(`${who}: ${loaded} after ${acknowledged}`);
      await sessions.updateUserState(ref, (state) => ({ n: (state?.n ?? 0) + 1 }), { maxAttempts: 100 });
      counts[who] = (counts[who] as number) + 1;
    }
  });
  for (const percent of [0, 50, 100, 10, 0, 100, 0]) {
    const { aborted, arrived, status } = await set(percent);
    expect([aborted, arrived]).toEqual([0, 8]);
    expect(Math.round(status.percentInRedis)).toBe({ 10: 13 }[percent] ?? percent);
  }
  isOver = true;
  await Promise.all(bots);
  expect(stale).toEqual([]);
  const counted = counts.map((n) => ({ n }));
  expect(Math.min(...counts)).toBeGreaterThan(0);
  expect(await newBot().getUserStates(users)).toEqual(counted);
  await set(100);
  expect(await newBot().getUserStates(users)).toEqual(counted);
});

test('P10 a rollout that ends at any step is finished by the next one, forward or back', async () => {
  const { start, set, newBot, startSync, admin } = await rollout({ partitions: 1 });
  const bot = newBot();
  startSync();
  await start('redis');
  let steps = 0;
  /** Throws in the place of its nth call that changes a store. */
  const dying = (nth: number): AdminDeps => {
    let calls = 0;
    const counted = <Call extends (...args: never[]) => unknown>(call: Call): Call =>
      ((...args: Parameters<Call>) => {
        calls++;
        if (calls === nth) throw new Error('killed');
        return call(...args);
      }) as Call;
    const { scripts, queries } = admin;
    return {
      ...admin,
      scripts: { ...scripts, install: counted(scripts.install), seal: counted(scripts.seal) },
      queries: { ...queries, changeMode: counted(queries.changeMode) },
    };
  };
  for (const finish of [0, 100] as const) {
    for (const begun of [0, 100] as const) {
      for (let nth = 1; ; nth++) {
        await set(100 - begun);
        await bot.saveUserState(user(1), { n: ++steps });
        const end = await set(begun, { admin: dying(nth) }).then(
          () => 'done',
          (error: Error) => error.message,
        );
        if (end === 'done') break;
        expect(end).not.toBe('');
        const { aborted, arrived } = await set(finish);
        expect([aborted, arrived]).toEqual([0, 1]);
        expect(await bot.getUserState(user(1))).toEqual({ n: steps });
        await bot.saveUserState(user(1), { n: ++steps });
        expect(await newBot().getUserState(user(1))).toEqual({ n: steps });
      }
    }
  }
  expect(steps).toBeGreaterThan(20);
});

test('P10 two people who move all partitions to different stores at once leave each in one of them', async () => {
  const { start, set, newBot, startSync, admin } = await rollout();
  startSync();
  await start('redis');
  const bot = newBot();
  for (let i = 0; i < 20; i++) await bot.saveUserState(user(i), { n: i });
  for (let round = 0; round < 3; round++)
    await Promise.all([set(0), set(100)].map((one) => one.catch(() => {})));
  const { aborted } = await set(100);
  expect(aborted).toBe(0);
  const { percentInRedis, partitions } = await readRollout(admin);
  expect([percentInRedis, partitions.every(({ isCopied }) => isCopied)]).toEqual([100, true]);
});

test('P9 P10 a partition with a session that PostgreSQL refuses does not go back; saves go on in Redis', async () => {
  const { start, set, newBot, startSync, pool, table, keyspace, redis } = await rollout();
  const bot = newBot();
  startSync();
  await start('redis');
  await pool.query(`ALTER TABLE ${table} ADD CONSTRAINT refuse CHECK (state->>'n' <> '-1')`);
  await bot.saveUserState(user(1), { n: -1 });
  await bot.saveUserState(user(2), { n: 1 });
  const { partition } = keyspace.locate(user(1));
  await eventually(async () => expect(await redis.hlen(keyspace.parked(partition))).toBe(1));
  const { aborted, arrived, moves } = await set(0);
  expect([aborted, arrived]).toEqual([1, 7]);
  expect(moves.find((one) => one.partition === partition)).toMatchObject({
    ...{ outcome: 'aborted', obstacle: 'parked', closedMs: 0 },
  });
  await bot.saveUserState(user(1), { n: 2 });
  expect(await newBot().getUserState(user(1))).toEqual({ n: 2 });
});

test('P10 direct saves are not started from while only Redis has sessions', async () => {
  const { start, save, admin } = await rollout();
  await save(user(1), { n: 1 });
  expect(await start('direct')).toMatchObject({ started: 0, dirtySessions: 1 });
  expect((await readRollout(admin)).isStarted).toBe(false);
  expect(await start('redis')).toMatchObject({ started: 8, dirtySessions: 0, arrived: 8 });
  expect(await start('direct')).toMatchObject({ started: 0 });
});

test('P10 after a restart of Redis nobody saves there until a consumer has asked PostgreSQL, which it does by itself', async () => {
  const redis = await ownRedis();
  const { start, newBot, startSync, admin } = await rollout({ redisUrl: redis.url });
  const bot = newBot();
  startSync();
  await start('redis');
  await bot.saveUserState(user(1), { n: 1 });
  await redis.kill('SIGKILL');
  await redis.restart();
  await eventually(async () =>
    expect((await readRollout(admin)).partitions.every(({ isCopied }) => isCopied)).toBe(true),
  );
  await eventually(() => bot.saveUserState(user(1), { n: 2 }));
  expect(await bot.getUserState(user(1))).toEqual({ n: 2 });
});

test('P10 while all partitions are direct, bots need no Redis', async () => {
  const redis = await ownRedis();
  const { start, set, newBot, startSync } = await rollout({ redisUrl: redis.url });
  startSync();
  await start('redis');
  const bot = newBot();
  await bot.saveUserState(user(1), { n: 1 });
  expect(await set(0)).toMatchObject({ aborted: 0, arrived: 8 });
  await redis.kill('SIGKILL');
  await bot.updateUserState(user(1), (state) => ({ n: (state?.n ?? 0) + 1 }));
  const another = newBot({ connectTimeoutMs: 100, commandTimeoutMs: 100 });
  await another.updateUserState(user(1), (state) => ({ n: (state?.n ?? 0) + 1 }));
  expect(await bot.getUserState(user(1))).toEqual({ n: 3 });
  const refs = [user(1), user(2), user(1)];
  expect(await newBot({ connectTimeoutMs: 100 }).getUserStates(refs)).toEqual([
    { n: 3 },
    undefined,
    { n: 3 },
  ]);
  expect(await another.getTenantInfo('acme', () => ({ plan: 'free' }))).toEqual({ plan: 'free' });
});

test('P10 while all partitions are direct, bots do not mind a Redis that may drop sessions', async () => {
  const redis = await ownRedis();
  const { start, newBot, redis: connection } = await rollout({ redisUrl: redis.url });
  await start('direct');
  await connection.config('SET', 'maxmemory-policy', 'allkeys-lru');
  const bot = newBot();
  await bot.saveUserState(user(1), { n: 1 });
  await newBot().updateUserState(user(1), (state) => ({ n: (state?.n ?? 0) + 1 }));
  expect(await newBot().getUserStates([user(1)])).toEqual([{ n: 2 }]);
  expect(await bot.getTenantInfo('acme', () => ({ plan: 'free' }))).toEqual({ plan: 'free' });
});

test('P10 a call waits for a partition that is being moved, and says so when that takes too long', async () => {
  const { start, set, newBot, startSync, admin } = await rollout({ partitions: 1 });
  startSync();
  await start('direct');
  const [bot, impatient] = [newBot(), newBot({ moveWaitMs: 0 })];
  await bot.saveUserState(user(1), { n: 1 });
  const [stored] = await admin.queries.readModes();
  const toRedis = { to: 'to_redis', beginsPeriod: false, floor: undefined, actor: 'a test' } as const;
  await admin.queries.changeMode(stored as NonNullable<typeof stored>, toRedis);
  await expect(impatient.saveUserState(user(1), { n: 2 })).rejects.toMatchObject({
    ...{ code: 'SAVE_REJECTED', retryable: true, failure: { reason: 'MODE_MOVING' } },
  });
  expect(await impatient.getUserState(user(1))).toEqual({ n: 1 });
  const waiting = bot.saveUserState(user(1), { n: 3 });
  await set(100);
  expect(await waiting).toMatchObject({ durability: 'memory' });
  expect(await impatient.getUserState(user(1))).toEqual({ n: 3 });
});

test('P10 a row is not served while only Redis may have the newest state, even if Redis cannot say so', async () => {
  const { start, newBot, startSync, admin, redis, keyspace, row } = await rollout({ partitions: 1 });
  const sync = startSync();
  await start('redis');
  const bot = newBot({ moveWaitMs: 0 });
  await bot.saveUserState(user(1), { n: 1 });
  await eventually(async () => expect(await row(user(1))).toMatchObject({ state: { n: 1 } }));
  await sync.stop();
  await bot.saveUserState(user(1), { n: 2 });
  const [stored] = await admin.queries.readModes();
  const back = { to: 'to_direct', beginsPeriod: false, floor: undefined, actor: 'a test' } as const;
  await admin.queries.changeMode(stored as NonNullable<typeof stored>, back);
  expect(await bot.getUserState(user(1))).toEqual({ n: 2 });
  for (const mode of ['void 1 0 0', 'sealed 1 0 0']) {
    await redis.hset(keyspace.meta(0), 'mode', mode);
    await expect(bot.getUserState(user(1)), mode).rejects.toMatchObject({
      ...{ code: 'RESTORE_FAILED', retryable: true },
    });
  }
});
