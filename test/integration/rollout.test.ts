import { type AdminDeps, readRollout, setRollout, startRollout, syncOptionsOf } from '@cauce/admin';
import { hostClocks, type SessionRef } from '@cauce/protocol';
import { createSessionClient, type SessionClient } from '@cauce/session-client';
import { createDirectSessions, createPostgresLoader } from '@cauce/session-client/postgres';
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
  /** Bots that know one store each. */
  readonly inRedis: SessionClient<State>;
  /** Another one, which knows no epoch yet. */
  newInRedis(): SessionClient<State>;
  readonly direct: SessionClient<State>;
  start(from: 'redis' | 'direct'): ReturnType<typeof startRollout>;
  set(percent: number, options?: { deadlineMs?: number; admin?: AdminDeps }): ReturnType<typeof setRollout>;
  /** Saves where the partition of the session takes it, as a bot that follows the mode. */
  save(ref: SessionRef, state: unknown): Promise<string>;
}

const user = (i: number): SessionRef => ({ tenantId: 'acme', userId: `u${i}` });

async function rollout(options: Parameters<typeof createPipeline>[0] = {}): Promise<Rollout> {
  const pipeline = await createPipeline({ partitions: 8, ...options });
  const { redis, keyspace, scripts, queries, redisUrl, databaseUrl, settings } = pipeline;
  const { keyPrefix, partitions } = keyspace;
  const { SESSION_DB_SCHEMA: schema } = settings;
  const loader = createPostgresLoader({ databaseUrl, schema });
  const newInRedis = () => {
    const client = createSessionClient<State>({ redis: redisUrl, loader, keyPrefix, partitions });
    onTestFinished(() => client.close());
    return client;
  };
  const inRedis = newInRedis();
  const direct = createDirectSessions<State>({ databaseUrl, schema, partitions });
  onTestFinished(() => Promise.all([direct.close(), loader.close()]).then(() => {}));
  const admin = { ...hostClocks, redis, keyspace, scripts, queries };
  const call = {
    ...syncOptionsOf(readSettings(pipeline.env)),
    actor: 'a test',
    signal: new AbortController().signal,
  };
  return {
    ...{ ...pipeline, admin, inRedis, newInRedis, direct },
    start: (from) => startRollout(admin, { ...call, from }),
    set: (percent, { admin: given = admin, ...more } = {}) =>
      setRollout(given, percent, { ...call, ...more }),
    async save(ref, state) {
      for (;;) {
        for (const store of [inRedis, direct]) {
          try {
            return (await store.saveUserState(ref, state as State)).version;
          } catch (error) {
            const { reason = '' } = (error as { failure?: { reason?: string } }).failure ?? {};
            if (!reason.startsWith('MODE_')) throw error;
          }
        }
      }
    },
  };
}

test('P10 all partitions go back to direct saves and to Redis again while bots save; nothing is lost or refused for good', async () => {
  const { start, set, save, startSync, direct, inRedis, newInRedis } = await rollout();
  startSync();
  await start('redis');
  const newest = new Map<number, number>();
  let isOver = false;
  const bots = Array.from({ length: 8 }, async (_, bot) => {
    for (let n = 1; !isOver; n++) {
      const who = bot * 10 + (n % 10);
      await save(user(who), { n });
      newest.set(who, n);
    }
  });
  const closed: number[] = [];
  for (const percent of [0, 50, 100, 10, 0, 100, 0]) {
    const { aborted, arrived, moves, status } = await set(percent);
    expect([aborted, arrived]).toEqual([0, 8]);
    expect(Math.round(status.percentInRedis)).toBe({ 10: 13 }[percent] ?? percent);
    closed.push(...moves.map(({ closedMs }) => closedMs));
  }
  isOver = true;
  await Promise.all(bots);
  expect(closed).toHaveLength(8 + 4 + 4 + 7 + 1 + 8 + 8);
  for (const [who, n] of newest) expect(await direct.getUserState(user(who)), String(who)).toEqual({ n });
  await expect(inRedis.saveUserState(user(1), { n: 0 })).rejects.toMatchObject({
    failure: { reason: 'MODE_DIRECT' },
  });
  await set(100);
  const another = newInRedis();
  for (const [who, n] of newest) expect(await another.getUserState(user(who)), String(who)).toEqual({ n });
});

test('P10 a rollout that ends at any step is finished by the next one, forward or back', async () => {
  const { start, set, save, startSync, admin, direct, newInRedis } = await rollout({ partitions: 1 });
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
        await save(user(1), { n: ++steps });
        const end = await set(begun, { admin: dying(nth) }).then(
          () => 'done',
          (error: Error) => error.message,
        );
        if (end === 'done') break;
        expect(end).not.toBe('');
        const { aborted, arrived } = await set(finish);
        expect([aborted, arrived]).toEqual([0, 1]);
        const store = finish === 0 ? direct : newInRedis();
        expect(await store.getUserState(user(1))).toEqual({ n: steps });
        await save(user(1), { n: ++steps });
        expect(await store.getUserState(user(1))).toEqual({ n: steps });
      }
    }
  }
  expect(steps).toBeGreaterThan(20);
});

test('P10 two people who move all partitions to different stores at once leave each in one of them', async () => {
  const { start, set, save, startSync, admin } = await rollout();
  startSync();
  await start('redis');
  for (let i = 0; i < 20; i++) await save(user(i), { n: i });
  for (let round = 0; round < 3; round++)
    await Promise.all([set(0), set(100)].map((one) => one.catch(() => {})));
  const { aborted } = await set(100);
  expect(aborted).toBe(0);
  const { percentInRedis, partitions } = await readRollout(admin);
  expect([percentInRedis, partitions.every(({ isCopied }) => isCopied)]).toEqual([100, true]);
});

test('P9 P10 a partition with a session that PostgreSQL refuses does not go back; saves go on in Redis', async () => {
  const { start, set, save, startSync, pool, table, keyspace, inRedis, redis } = await rollout();
  startSync();
  await start('redis');
  await pool.query(`ALTER TABLE ${table} ADD CONSTRAINT refuse CHECK (state->>'n' <> '-1')`);
  await save(user(1), { n: -1 });
  await save(user(2), { n: 1 });
  const { partition } = keyspace.locate(user(1));
  await eventually(async () => expect(await redis.hlen(keyspace.parked(partition))).toBe(1));
  const { aborted, arrived, moves } = await set(0);
  expect([aborted, arrived]).toEqual([1, 7]);
  expect(moves.find((one) => one.partition === partition)).toMatchObject({
    ...{ outcome: 'aborted', obstacle: 'parked', closedMs: 0 },
  });
  await inRedis.saveUserState(user(1), { n: 2 });
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
  const { start, inRedis, startSync, admin } = await rollout({ redisUrl: redis.url });
  startSync();
  await start('redis');
  await inRedis.saveUserState(user(1), { n: 1 });
  await redis.kill('SIGKILL');
  await redis.restart();
  await eventually(async () =>
    expect((await readRollout(admin)).partitions.every(({ isCopied }) => isCopied)).toBe(true),
  );
  await eventually(() => inRedis.saveUserState(user(1), { n: 2 }));
  expect(await inRedis.getUserState(user(1))).toEqual({ n: 2 });
});
