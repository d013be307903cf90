import { startTcpProxy, type TcpProxy } from '@cauce/dev-services';
import type { SessionRef } from '@cauce/protocol';
import { createSessionClient, type SessionClient, type SessionClientOptions } from '@cauce/session-client';
import { createPostgresLoader } from '@cauce/session-client/postgres';
import { describe, expect, it, onTestFinished } from 'vitest';
import { eventually } from '../../helpers/eventually.ts';
import { createPipeline, type Pipeline } from '../../helpers/pipeline.ts';
import { sessionTexts } from '../../helpers/session-hash.ts';
import { isolatedClient, loaderOf, row, syncAndExpire } from './client.ts';

interface Words {
  readonly words: readonly string[];
}
type Client = SessionClient<Words>;

interface Bots extends Pipeline {
  /** Its answers can be lost. */
  readonly a: Client;
  readonly b: Client;
  /** Runs `call` of `a`, whose answer is lost once Redis has applied it; then the connection is a new one. */
  loseAnswerTo(call: () => Promise<unknown>): Promise<void>;
  /** Waits until a consumer has written the session, then removes it as an eviction does. */
  syncAndEvict(): Promise<void>;
  operationsOfRow(): Promise<string | null>;
}

const ana: SessionRef = { tenantId: 'acme', userId: 'ana' };
const said = (...words: string[]): Words => ({ words });

async function bots(options: Partial<SessionClientOptions<Words>> = {}): Promise<Bots> {
  const pipeline = await createPipeline();
  const { redis, keyspace, redisUrl, databaseUrl, pool, table } = pipeline;
  pipeline.startSync();
  const link: TcpProxy = await startTcpProxy({ targetPort: Number(new URL(redisUrl).port) });
  onTestFinished(() => link.stop());
  const loader = createPostgresLoader({ databaseUrl, schema: pipeline.settings.SESSION_DB_SCHEMA });
  onTestFinished(() => loader.close());
  const open = async (url: string): Promise<Client> => {
    const { keyPrefix, partitions } = keyspace;
    const client = createSessionClient<Words>({ redis: url, loader, keyPrefix, partitions, ...options });
    onTestFinished(() => client.close());
    await client.getUserState(ana);
    return client;
  };
  const { key } = keyspace.locate(ana);
  const a = await open(link.urlFor(redisUrl));
  return {
    ...pipeline,
    a,
    b: await open(redisUrl),
    async loseAnswerTo(call) {
      const { version: before } = await sessionTexts(redis, key);
      link.dropReplies();
      const failure = call().catch((error: unknown) => error);
      await eventually(async () => expect((await sessionTexts(redis, key)).version).not.toBe(before));
      link.cutConnections();
      link.releaseReplies();
      expect(await failure).toMatchObject({ code: 'SAVE_UNKNOWN', retryable: true });
      await eventually(() => a.getUserState({ tenantId: 'acme', userId: 'bo' }));
    },
    async syncAndEvict() {
      await eventually(async () => expect(await sessionTexts(redis, key)).toMatchObject({ dirty: '0' }));
      await redis.del(key);
    },
    async operationsOfRow() {
      const { rows } = await pool.query(`SELECT operations FROM ${table}`);
      return rows[0]?.operations;
    },
  };
}

const replayed = { isReplay: true };

describe('P1 a save whose answer was lost, repeated after the session was synced and evicted, is recognised', () => {
  it.each(['a', 'b'] as const)('without a condition, by bot %s', async (repeats) => {
    const world = await bots();
    const { a, b } = world;
    await b.saveUserState(ana, said('before'));
    await world.loseAnswerTo(() => a.saveUserState(ana, said('a'), { opId: 'op-1' }));
    await world.syncAndEvict();
    await b.updateUserState(ana, (state) => said(...(state?.words ?? []), 'b'));
    await world.syncAndEvict();
    expect(await world[repeats].saveUserState(ana, said('a'), { opId: 'op-1' })).toMatchObject(replayed);
    expect(await b.getUserState(ana)).toEqual(said('a', 'b'));
  });

  it('clears', async () => {
    const world = await bots();
    const { a, b } = world;
    await b.saveUserState(ana, said('before'));
    await world.loseAnswerTo(() => a.clearUserState(ana, { opId: 'op-1' }));
    await world.syncAndEvict();
    await b.updateUserState(ana, () => said('b'));
    await world.syncAndEvict();
    expect(await a.clearUserState(ana, { opId: 'op-1' })).toMatchObject(replayed);
    expect(await b.getUserState(ana)).toEqual(said('b'));
  });

  it.each(['a', 'b'] as const)('with ifVersion, by bot %s', async (repeats) => {
    const world = await bots();
    const { a, b } = world;
    const { version: ifVersion } = await b.saveUserState(ana, said('before'));
    const options = { ifVersion, opId: 'op-1' };
    await world.loseAnswerTo(() => a.saveUserState(ana, said('a'), options));
    await world.syncAndEvict();
    // In Redis again, from its row.
    expect(await b.getUserState(ana)).toEqual(said('a'));
    expect(await world[repeats].saveUserState(ana, said('a'), options)).toMatchObject(replayed);
    await world.syncAndEvict();
    expect(await world[repeats].saveUserState(ana, said('a'), options)).toMatchObject(replayed);
    await b.updateUserState(ana, (state) => said(...(state?.words ?? []), 'b'));
    await world.syncAndEvict();
    expect(await world[repeats].saveUserState(ana, said('a'), options)).toMatchObject(replayed);
    expect(await b.getUserState(ana)).toEqual(said('a', 'b'));
  });

  it("with ifVersion '0'", async () => {
    const world = await bots();
    const { a, b } = world;
    const options = { ifVersion: '0', opId: 'op-1' };
    await a.saveUserState(ana, said('a'), options);
    await world.syncAndEvict();
    expect(await b.saveUserState(ana, said('a'), options)).toMatchObject(replayed);
    expect(await b.getUserState(ana)).toEqual(said('a'));
  });

  it("with durability 'postgres': its row has the saves before it, too", async () => {
    const world = await bots({ durability: 'postgres' });
    const { a, b } = world;
    const versions: string[] = [];
    for (const opId of ['op-1', 'op-2', 'op-3', 'op-4', 'op-5']) {
      versions.push((await b.saveUserState(ana, said(opId), { opId })).version);
    }
    const [, second, third, fourth, fifth] = versions;
    expect(await world.operationsOfRow()).toBe(`op-5=${fifth} op-4=${fourth} op-3=${third} op-2=${second}`);
    await world.syncAndEvict();
    // Overtaken, and what Redis has came from the row.
    expect(await a.saveUserState(ana, said('op-2'), { opId: 'op-2' })).toEqual({
      ...{ version: second, opId: 'op-2', isReplay: true, durability: 'postgres' },
    });
    expect(await b.getUserState(ana)).toEqual(said('op-5'));
  });
});

describe('what was not applied is not taken for a repetition', () => {
  it('an op id that is new, wherever the session is', async () => {
    const world = await bots();
    const { a, b } = world;
    expect(await a.saveUserState(ana, said('1'), { opId: 'op-1' })).toMatchObject({ isReplay: false });
    await world.syncAndEvict();
    expect(await b.saveUserState(ana, said('2'), { opId: 'op-2' })).toMatchObject({ isReplay: false });
    await world.syncAndEvict();
    const { version: ifVersion } = (await b.getUserSession(ana)) ?? expect.fail('no session');
    await world.redis.del(world.keyspace.locate(ana).key);
    const third = await a.saveUserState(ana, said('3'), { opId: 'op-3', ifVersion });
    expect(third).toMatchObject({ isReplay: false });
    await eventually(async () => expect((await world.row(ana))?.version).toBe(third.version));
    expect((await world.operationsOfRow())?.replace(/=\d+/g, '')).toBe('op-3 op-2 op-1');
  });

  it.each([null, '', 'op-1', 'op-1=x', ' op-1=5', 'op-1=5\n', 'a=1 b=1 c=1 d=1 e=1'])(
    'P9 a row with operations of another form, %j, is a session like any other',
    async (operations) => {
      const world = await bots();
      const { a, b } = world;
      await a.saveUserState(ana, said('1'), { opId: 'op-1' });
      await world.syncAndEvict();
      await world.pool.query(`UPDATE ${world.table} SET operations = $1`, [operations]);
      expect(await b.getUserState(ana)).toEqual(said('1'));
      const saved = await b.saveUserState(ana, said('2'), { opId: 'op-1' });
      expect(saved).toMatchObject({ isReplay: false });
      await world.syncAndEvict();
      expect(await world.operationsOfRow()).toBe(`op-1=${saved.version}`);
      expect(await a.getUserState(ana)).toEqual(said('2'));
    },
  );

  it.each([undefined, null, 5, {}, 'op-1=x', 'op-1=5 '])(
    'what a loader of your own gives as operations, %j, spoils no session',
    async (operations) => {
      const loader = loaderOf(() => ({ ...row({ step: 'row' }), operations: operations as never }));
      const { sessions, redis, locate } = isolatedClient({ loader });
      expect(await sessions.saveUserState('ana', { step: 'x' }, { opId: 'op-1' })).toMatchObject({
        isReplay: false,
      });
      const { version, operations: kept } = await sessionTexts(redis, locate('ana').key);
      expect(kept).toBe(`op-1=${version}`);
    },
  );

  it('a loader of your own that keeps them has its repeated saves recognised', async () => {
    const loader = loaderOf(() => ({ ...row({ step: 'row' }), operations: 'op-1=4' }));
    const { sessions } = isolatedClient({ loader });
    expect(await sessions.saveUserState('ana', { step: 'x' }, { opId: 'op-1' })).toMatchObject({
      ...{ isReplay: true, version: '4' },
    });
    expect(await sessions.getUserState('ana')).toEqual({ step: 'row' });
  });
});

describe('a save of a session that is not in Redis', () => {
  it('asks the loader if the op id is given, once, and not if it is in Redis or no op id is given', async () => {
    const loader = loaderOf(() => undefined);
    const isolated = isolatedClient({ loader });
    const { sessions, locate } = isolated;
    await sessions.saveUserState('ana', { step: 'x' });
    await sessions.saveUserState('ana', { step: 'x' }, { opId: 'op-1' });
    expect(loader.calls).toEqual([]);
    await syncAndExpire(isolated, locate('ana'));
    await sessions.saveUserState('ana', { step: 'x' }, { opId: 'op-2' });
    expect(loader.calls).toEqual([['ana']]);
  });

  it('P1 is not saved when it may be a repetition and the loader fails', async () => {
    const loader = loaderOf(() => Promise.reject(new Error('away')));
    const { sessions, redis, locate } = isolatedClient({ loader });
    const options = { opId: 'op-1' };
    await expect(sessions.saveUserState('ana', { step: 'x' }, options)).rejects.toMatchObject({
      ...{ code: 'RESTORE_FAILED', retryable: true },
    });
    expect(await sessionTexts(redis, locate('ana').key)).toEqual({});
    await sessions.saveUserState('ana', { step: 'x' });
  });
});
