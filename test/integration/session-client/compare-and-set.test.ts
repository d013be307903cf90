import { startTcpProxy, type TcpProxy } from '@cauce/dev-services';
import type { SessionRef } from '@cauce/protocol';
import { SESSION_HASH } from '@cauce/protocol';
import { createSessionClient, type SessionClient, type SessionClientOptions } from '@cauce/session-client';
import { createPostgresLoader } from '@cauce/session-client/postgres';
import { describe, expect, it, onTestFinished } from 'vitest';
import { eventually } from '../../helpers/eventually.ts';
import { createPipeline, type Pipeline } from '../../helpers/pipeline.ts';
import { sessionTexts } from '../../helpers/session-hash.ts';

interface Counter {
  readonly by: readonly string[];
}

interface Bots extends Pipeline {
  /** Its answers can be held back. */
  readonly a: SessionClient<Counter>;
  readonly b: SessionClient<Counter>;
  readonly link: TcpProxy;
  /** Waits until a consumer has written the session, then removes it as an eviction does. */
  syncAndEvict(): Promise<void>;
  /** As in a row of an earlier release. */
  forgetOperations(): Promise<void>;
}

const ana: SessionRef = { tenantId: 'acme', userId: 'ana' };
const add =
  (who: string) =>
  (state?: Counter): Counter => ({ by: [...(state?.by ?? []), who] });

/** Two bots with a loader, and a consumer. */
async function bots(options: Partial<SessionClientOptions<Counter>> = {}): Promise<Bots> {
  const pipeline = await createPipeline();
  const { redis, keyspace, redisUrl, databaseUrl } = pipeline;
  pipeline.startSync();
  const link = await startTcpProxy({ targetPort: Number(new URL(redisUrl).port) });
  onTestFinished(() => link.stop());
  const { SESSION_DB_SCHEMA: schema } = pipeline.settings;
  const loader = createPostgresLoader({ databaseUrl, schema });
  onTestFinished(() => loader.close());
  const open = async (url: string): Promise<SessionClient<Counter>> => {
    const { keyPrefix, partitions } = keyspace;
    const shared = { loader, keyPrefix, partitions, commandTimeoutMs: 10_000 };
    const client = createSessionClient<Counter>({ redis: url, ...shared, ...options });
    onTestFinished(() => client.close());
    await client.getUserState(ana);
    // The lease of that load: no test builds on it.
    await redis.hdel(keyspace.locate(ana).key, SESSION_HASH.lease);
    return client;
  };
  return {
    ...pipeline,
    link,
    a: await open(link.urlFor(redisUrl)),
    b: await open(redisUrl),
    async syncAndEvict() {
      const { key } = keyspace.locate(ana);
      await eventually(async () => expect(await sessionTexts(redis, key)).toMatchObject({ dirty: '0' }));
      await redis.del(key);
    },
    async forgetOperations() {
      await pipeline.pool.query(`UPDATE ${pipeline.table} SET operations = NULL`);
    },
  };
}

describe('an update of a session that was absent', () => {
  it.each([false, true])(
    'P6 does not overwrite what another created meanwhile; synced and evicted: %s',
    async (isEvicted) => {
      const { a, b, syncAndEvict } = await bots();
      const seen: unknown[] = [];
      await a.updateUserState(ana, async (state) => {
        seen.push(state);
        if (!state) {
          await b.updateUserState(ana, add('b'));
          if (isEvicted) await syncAndEvict();
        }
        return add('a')(state);
      });
      expect(await b.getUserState(ana)).toEqual({ by: ['b', 'a'] });
      expect(seen).toEqual([undefined, { by: ['b'] }]);
    },
  );

  it('P6 does not undo that another created and cleared it meanwhile', async () => {
    const { a, b, syncAndEvict, row } = await bots();
    let cleared = '';
    await a.updateUserState(ana, async (state) => {
      if (cleared === '') {
        await b.saveUserState(ana, { by: ['b'] });
        cleared = (await b.clearUserState(ana)).version;
        await syncAndEvict();
      }
      return add('a')(state);
    });
    await eventually(async () => expect((await row(ana))?.state).toEqual({ by: ['a'] }));
    expect(BigInt((await row(ana))?.version ?? 0)).toBeGreaterThan(BigInt(cleared));
  });

  it("P6 with durability 'postgres' the same", async () => {
    const { a, b, syncAndEvict, row } = await bots({ durability: 'postgres' });
    await a.updateUserState(ana, async (state) => {
      if (!state) {
        await b.updateUserState(ana, add('b'));
        await syncAndEvict();
      }
      return add('a')(state);
    });
    expect((await row(ana))?.state).toEqual({ by: ['b', 'a'] });
  });

  it('P6 is recognised when its answer is lost and the session is synced, changed and evicted', async () => {
    const { a, b, link, row, syncAndEvict } = await bots();
    const update = a
      .updateUserState(ana, (state) => {
        link.dropReplies();
        return add('a')(state);
      })
      .catch((error: unknown) => error);
    await eventually(async () => expect((await row(ana))?.state).toEqual({ by: ['a'] }));
    await syncAndEvict();
    await b.updateUserState(ana, add('b'));
    await syncAndEvict();
    link.cutConnections();
    link.releaseReplies();
    expect(await update).toMatchObject({ isReplay: true });
    expect(await b.getUserState(ana)).toEqual({ by: ['a', 'b'] });
  });

  it('P6 is not applied twice when its row does not know the last saves', async () => {
    const { a, b, link, row, syncAndEvict, forgetOperations } = await bots();
    const update = a
      .updateUserState(ana, (state) => {
        link.dropReplies();
        return add('a')(state);
      })
      .catch((error: unknown) => error);
    await eventually(async () => expect((await row(ana))?.state).toEqual({ by: ['a'] }));
    await syncAndEvict();
    await forgetOperations();
    link.cutConnections();
    link.releaseReplies();
    expect(await update).toMatchObject({
      ...{ code: 'SAVE_UNKNOWN', retryable: false, failure: { reason: 'NOT_RECOGNISED' } },
      message: expect.stringContaining('Load the session'),
    });
    expect(await b.getUserState(ana)).toEqual({ by: ['a'] });
  });

  it('is saved without another change when the change took longer than the lease lasts', async () => {
    const { a, redis, keyspace } = await bots();
    let changes = 0;
    await a.updateUserState(ana, async (state) => {
      changes++;
      await redis.hdel(keyspace.locate(ana).key, SESSION_HASH.lease);
      return add('a')(state);
    });
    expect([await a.getUserState(ana), changes]).toEqual([{ by: ['a'] }, 1]);
  });
});

describe("ifVersion '0'", () => {
  it('P6 is a conflict where only PostgreSQL has the session, and says its version', async () => {
    const { a, b, syncAndEvict } = await bots();
    const { version } = await b.saveUserState(ana, { by: ['b'] });
    await syncAndEvict();
    const conflict = { code: 'VERSION_CONFLICT', expected: '0', actual: version };
    await expect(a.saveUserState(ana, { by: ['a'] }, { ifVersion: '0' })).rejects.toMatchObject(conflict);
    await syncAndEvict();
    await expect(a.clearUserState(ana, { ifVersion: '0' })).rejects.toMatchObject(conflict);
    expect(await b.getUserState(ana)).toEqual({ by: ['b'] });
  });

  it('saves where there is no session, once', async () => {
    const { a, b } = await bots();
    const saves = await Promise.allSettled(
      [a, b, a, b].map((client, i) => client.saveUserState(ana, { by: [String(i)] }, { ifVersion: '0' })),
    );
    expect(saves.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it.each([false, true])('saves where the session was cleared; evicted: %s', async (isEvicted) => {
    const { a, b, syncAndEvict } = await bots();
    await b.clearUserState(ana);
    if (isEvicted) await syncAndEvict();
    await a.saveUserState(ana, { by: ['a'] }, { ifVersion: '0' });
    expect(await b.getUserState(ana)).toEqual({ by: ['a'] });
  });
});

describe('ifVersion', () => {
  it('saves over the version that was loaded though the session has left Redis since', async () => {
    const { a, b, syncAndEvict } = await bots();
    const { version } = await b.saveUserState(ana, { by: ['b'] });
    await syncAndEvict();
    await a.saveUserState(ana, { by: ['a'] }, { ifVersion: version });
    expect(await b.getUserState(ana)).toEqual({ by: ['a'] });
  });

  it('P6 is a conflict when somebody saved since, and the session has left Redis', async () => {
    const { a, b, syncAndEvict } = await bots();
    const first = await b.saveUserState(ana, { by: ['b'] });
    const second = await b.saveUserState(ana, { by: ['c'] });
    await syncAndEvict();
    await expect(a.saveUserState(ana, { by: ['a'] }, { ifVersion: first.version })).rejects.toMatchObject({
      code: 'VERSION_CONFLICT',
      expected: first.version,
      actual: second.version,
    });
  });

  it('a repetition that cannot be recognised ends as unknown, not as a conflict with itself', async () => {
    const { a, b, link, syncAndEvict, forgetOperations } = await bots({ commandTimeoutMs: 500 });
    const { version } = await b.clearUserState(ana);
    const options = { ifVersion: version, opId: 'op-1' };
    const save = (): Promise<unknown> => a.saveUserState(ana, { by: ['a'] }, options);
    link.dropReplies();
    await expect(save()).rejects.toMatchObject({ code: 'SAVE_UNKNOWN', retryable: true });
    link.cutConnections();
    link.releaseReplies();
    await syncAndEvict();
    await forgetOperations();
    // Restored, without the memory of its last saves.
    expect(await b.getUserState(ana)).toEqual({ by: ['a'] });
    await eventually(() => a.getUserState({ tenantId: 'acme', userId: 'bo' }));
    await expect(save()).rejects.toMatchObject({
      code: 'SAVE_UNKNOWN',
      retryable: false,
      opId: 'op-1',
      failure: { reason: 'NOT_RECOGNISED' },
    });
    expect(await b.getUserState(ana)).toEqual({ by: ['a'] });
  });

  it('a repetition that comes after four other saves ends as unknown, not as a conflict with itself', async () => {
    const { a, b, link } = await bots({ commandTimeoutMs: 500 });
    const { version } = await b.saveUserState(ana, { by: ['b'] });
    const options = { ifVersion: version, opId: 'op-1' };
    const save = (): Promise<unknown> => a.saveUserState(ana, { by: ['a'] }, options);
    link.dropReplies();
    await expect(save()).rejects.toMatchObject({ code: 'SAVE_UNKNOWN', retryable: true });
    link.cutConnections();
    link.releaseReplies();
    for (let i = 0; i < 4; i++) await b.updateUserState(ana, add('b'));
    await eventually(() => a.getUserState({ tenantId: 'acme', userId: 'bo' }));
    await expect(save()).rejects.toMatchObject({
      ...{ code: 'SAVE_UNKNOWN', retryable: false, failure: { reason: 'NOT_RECOGNISED' } },
    });
    expect(await b.getUserState(ana)).toEqual({ by: ['a', 'b', 'b', 'b', 'b'] });
  });

  it('a repetition by another client, from a row without its last saves, ends as unknown as well', async () => {
    const { a, b, syncAndEvict, forgetOperations } = await bots();
    const options = { ifVersion: '0', opId: 'op-1' };
    await a.saveUserState(ana, { by: ['a'] }, options);
    await syncAndEvict();
    await forgetOperations();
    await expect(b.saveUserState(ana, { by: ['a'] }, options)).rejects.toMatchObject({
      ...{ code: 'SAVE_UNKNOWN', retryable: false, failure: { reason: 'NOT_RECOGNISED' } },
    });
    expect(await b.getUserState(ana)).toEqual({ by: ['a'] });
  });

  it('a conflict of another session is one, whatever became of a save with the same op id', async () => {
    const { a, b, link } = await bots({ commandTimeoutMs: 500 });
    const bo = { tenantId: 'acme', userId: 'bo' };
    const { version } = await b.saveUserState(bo, { by: ['b'] });
    const options = { ifVersion: '0', opId: 'op-1' };
    link.dropReplies();
    await expect(a.saveUserState(ana, { by: ['a'] }, options)).rejects.toMatchObject({
      code: 'SAVE_UNKNOWN',
    });
    link.cutConnections();
    link.releaseReplies();
    await eventually(() => a.getUserState(bo));
    await expect(a.saveUserState(bo, { by: ['a'] }, options)).rejects.toMatchObject({
      ...{ code: 'VERSION_CONFLICT', actual: version },
    });
  });
});
