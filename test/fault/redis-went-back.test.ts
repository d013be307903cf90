import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { RedisServer } from '@cauce/dev-services';
import { createSessionClient, type SessionClient } from '@cauce/session-client';
import { createPostgresLoader } from '@cauce/session-client/postgres';
import { expect, onTestFinished, test } from 'vitest';
import { eventually } from '../helpers/eventually.ts';
import { expectSynced, refOf } from '../helpers/expect-synced.ts';
import { ownRedis } from '../helpers/own-servers.ts';
import { createPipeline, type Pipeline } from '../helpers/pipeline.ts';
import { sessionTexts } from '../helpers/session-hash.ts';

interface ChatState {
  readonly step: string;
}

const ana = refOf('ana');

/** A Redis that writes out every command before it answers, so that a copy of its folder is what it has answered. */
function exactRedis(): Promise<RedisServer> {
  return ownRedis({ extraArgs: ['--appendfsync', 'always'] });
}

/** Remembers what Redis has now. The function it returns kills Redis and brings it back as it was then. */
function rememberRedis(server: RedisServer): () => Promise<void> {
  const copy = mkdtempSync(join(tmpdir(), 'cauce-went-back-'));
  onTestFinished(() => rmSync(copy, { recursive: true }));
  cpSync(server.dataDir, copy, { recursive: true });
  return async () => {
    await server.kill('SIGKILL');
    rmSync(server.dataDir, { recursive: true });
    cpSync(copy, server.dataDir, { recursive: true });
    await server.restart();
  };
}

function openClient(
  pipeline: Pipeline,
  { isAway = () => false }: { isAway?: () => boolean } = {},
): SessionClient<ChatState> {
  const { SESSION_KEY_PREFIX, SESSION_PARTITIONS, SESSION_DB_SCHEMA } = pipeline.settings;
  const loader = createPostgresLoader({ databaseUrl: pipeline.databaseUrl, schema: SESSION_DB_SCHEMA });
  const client = createSessionClient<ChatState>({
    redis: pipeline.redisUrl,
    keyPrefix: SESSION_KEY_PREFIX,
    partitions: SESSION_PARTITIONS,
    loader: {
      load: (refs, options) => (isAway() ? Promise.reject(new Error('away')) : loader.load(refs, options)),
    },
  });
  onTestFinished(async () => {
    await client.close();
    await loader.close();
  });
  return client;
}

/** Loads as soon as the connection is back; the first answer counts. */
async function firstAnswer(client: SessionClient<ChatState>): Promise<ChatState | undefined> {
  for (;;) {
    try {
      return await client.getUserState(ana);
    } catch (error) {
      expect(error).toMatchObject({ retryable: true });
      await nextTurn();
    }
  }
}

async function archived(pipeline: Pipeline): Promise<unknown[]> {
  const conflicts = pipeline.table.replace('"session"', '"session_conflict"');
  const { rows } = await pipeline.pool.query(`SELECT state FROM ${conflicts} ORDER BY version`);
  return rows.map(({ state }) => state);
}

test.each(['synced', 'not yet synced', 'not there'])(
  'Redis comes back older than PostgreSQL, with a session that was %s: nobody reads the old state, nobody builds on it (P3, P6)',
  async (before) => {
    const server = await exactRedis();
    const pipeline = await createPipeline({ redisUrl: server.url });
    const client = openClient(pipeline);
    let sync = pipeline.startSync();
    await expect.poll(() => sync.consumer.readiness.isReady).toBe(true);
    if (before === 'not yet synced') await sync.stop();
    if (before !== 'not there') await client.saveUserState(ana, { step: 'old' });
    if (before === 'synced') await eventually(async () => expect(await pipeline.countDirty()).toBe(0));
    const goBack = rememberRedis(server);

    if (before === 'not yet synced') sync = pipeline.startSync();
    const { version } = await client.saveUserState(ana, { step: 'lost by Redis' });
    await expectSynced(pipeline, new Map([['ana', { version, state: { step: 'lost by Redis' } }]]));
    await goBack();

    expect(await firstAnswer(client)).toEqual({ step: 'lost by Redis' });
    const next = await client.updateUserState(ana, (state) => ({ step: `after ${state?.step}` }));
    const last = { version: next.version, state: { step: 'after lost by Redis' } };
    await expectSynced(pipeline, new Map([['ana', last]]));
    expect(await archived(pipeline)).toEqual(before === 'not yet synced' ? [{ step: 'old' }] : []);
  },
);

test('what was loaded before Redis went back is not built on after it, though the version is the same (P6)', async () => {
  const server = await exactRedis();
  const pipeline = await createPipeline({ redisUrl: server.url });
  const client = openClient(pipeline);
  pipeline.startSync();
  await client.saveUserState(ana, { step: 'old' });
  await eventually(async () => expect(await pipeline.countDirty()).toBe(0));
  const loaded = await client.getUserSession(ana);
  const goBack = rememberRedis(server);
  const { version } = await client.saveUserState(ana, { step: 'lost by Redis' });
  await expectSynced(pipeline, new Map([['ana', { version, state: { step: 'lost by Redis' } }]]));
  await goBack();

  const ifVersion = loaded?.version;
  await eventually(() =>
    expect(client.saveUserState(ana, { step: 'built on old' }, { ifVersion })).rejects.toMatchObject({
      code: 'VERSION_CONFLICT',
      actual: ifVersion,
    }),
  );
  expect(await client.getUserSession(ana)).toEqual({ state: { step: 'lost by Redis' }, version });
});

test('Redis comes back with a session that was deleted and synced since: it stays deleted', async () => {
  const server = await exactRedis();
  const pipeline = await createPipeline({ redisUrl: server.url });
  const client = openClient(pipeline);
  pipeline.startSync();
  await client.saveUserState(ana, { step: 'old' });
  await eventually(async () => expect(await pipeline.countDirty()).toBe(0));
  const goBack = rememberRedis(server);
  const { version } = await client.clearUserState(ana);
  await expectSynced(pipeline, new Map([['ana', { version, state: null }]]));
  await goBack();
  expect(await firstAnswer(client)).toBeUndefined();
});

test('Redis lost a save while its clock was ahead: the next save still passes it', async () => {
  const server = await exactRedis();
  const pipeline = await createPipeline({ redisUrl: server.url });
  const client = openClient(pipeline);
  const sync = pipeline.startSync();
  await expect.poll(() => sync.consumer.readiness.isReady).toBe(true);
  // As a clock leaves it behind that was stepped back by an hour.
  const { partition } = pipeline.keyspace.locate(ana);
  const ahead = String(BigInt(Date.now() + 3_600_000) * 1000n);
  await pipeline.redis.hset(pipeline.keyspace.meta(partition), 'floor', ahead);
  const goBack = rememberRedis(server);
  const lost = await client.saveUserState(ana, { step: 'lost by Redis' });
  await expectSynced(
    pipeline,
    new Map([['ana', { version: lost.version, state: { step: 'lost by Redis' } }]]),
  );
  await goBack();

  const since = await eventually(() => client.saveUserState(ana, { step: 'saved since' }));
  expect(BigInt(since.version)).toBeGreaterThan(BigInt(lost.version));
  await expectSynced(
    pipeline,
    new Map([['ana', { version: since.version, state: { step: 'saved since' } }]]),
  );
  expect(await archived(pipeline)).toEqual([]);
});

test('Redis loses everything, also its floor: a save made before a consumer set the floor again wins over its old row', async () => {
  const pipeline = await createPipeline();
  const sync = pipeline.startSync();
  const { partition, key } = pipeline.keyspace.locate(ana);
  await expect.poll(() => sync.consumer.readiness.isReady).toBe(true);
  const ahead = String(BigInt(Date.now() + 3_600_000) * 1000n);
  await pipeline.redis.hset(pipeline.keyspace.meta(partition), 'floor', ahead);
  const version = await pipeline.save(ana, { step: 'old' });
  await expectSynced(pipeline, new Map([['ana', { version, state: { step: 'old' } }]]));
  await sync.stop();

  // As FLUSHALL, for this keyspace alone: the server is shared.
  await pipeline.redis.del(...(await pipeline.redis.keys(`${pipeline.keyspace.keyPrefix}:*`)));
  await openClient(pipeline).saveUserState(ana, { step: 'new' });
  pipeline.startSync();
  await eventually(async () => {
    expect(await pipeline.row(ana)).toMatchObject({ state: { step: 'new' } });
    expect(await sessionTexts(pipeline.redis, key)).toMatchObject({ dirty: '0' });
  });
  expect(await archived(pipeline)).toEqual([{ step: 'old' }]);
});

test('Redis was restarted and PostgreSQL is away: loads answer with what Redis has, without waiting again and again', async () => {
  const server = await exactRedis();
  const pipeline = await createPipeline({ redisUrl: server.url });
  const client = openClient({ ...pipeline, databaseUrl: 'postgres://nobody@127.0.0.1:1/none' });
  await client.saveUserState(ana, { step: 'kept' });
  await server.kill('SIGKILL');
  await server.restart();
  expect(await firstAnswer(client)).toEqual({ step: 'kept' });
  const startedAtMs = performance.now();
  for (let load = 0; load < 50; load++) expect(await client.getUserState(ana)).toEqual({ step: 'kept' });
  expect(performance.now() - startedAtMs).toBeLessThan(10_000);
});

test('PostgreSQL was away before Redis went back, and is not any more: it is asked at once (P6)', async () => {
  const server = await exactRedis();
  const pipeline = await createPipeline({ redisUrl: server.url });
  let isAway = false;
  const client = openClient(pipeline, { isAway: () => isAway });
  pipeline.startSync();
  await client.saveUserState(ana, { step: 'old' });
  await eventually(async () => expect(await pipeline.countDirty()).toBe(0));
  const goBack = rememberRedis(server);
  const { version } = await client.saveUserState(ana, { step: 'lost by Redis' });
  await expectSynced(pipeline, new Map([['ana', { version, state: { step: 'lost by Redis' } }]]));
  isAway = true;
  await server.kill('SIGKILL');
  await server.restart();
  expect(await firstAnswer(client)).toEqual({ step: 'lost by Redis' });
  await goBack();
  isAway = false;
  expect(await firstAnswer(client)).toEqual({ step: 'lost by Redis' });
});

test('Redis was restarted and lost nothing: each session is looked up in PostgreSQL once', async () => {
  const server = await exactRedis();
  const pipeline = await createPipeline({ redisUrl: server.url });
  const client = openClient(pipeline);
  const sync = pipeline.startSync();
  const { version } = await client.saveUserState(ana, { step: 'kept' });
  await expectSynced(pipeline, new Map([['ana', { version, state: { step: 'kept' } }]]));
  await sync.stop();
  await server.kill('SIGKILL');
  await server.restart();
  expect(await firstAnswer(client)).toEqual({ step: 'kept' });
  // From now on PostgreSQL is not asked: it would say something else.
  await pipeline.pool.query(`UPDATE ${pipeline.table} SET version = version + 1, state = '{"step":"asked"}'`);
  expect(await client.getUserState(ana)).toEqual({ step: 'kept' });
  expect(await client.getUserStates([ana, refOf('nobody')])).toEqual([{ step: 'kept' }, undefined]);
});
