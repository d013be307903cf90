import { startTcpProxy, type TcpProxy } from '@cauce/dev-services';
import { type DurabilityError, InvalidOptionError } from '@cauce/session-client';
import { createPostgresLoader } from '@cauce/session-client/postgres';
import { expect, it, onTestFinished } from 'vitest';
import { eventually } from '../../helpers/eventually.ts';
import { refOf } from '../../helpers/expect-synced.ts';
import { ownRedis } from '../../helpers/own-servers.ts';
import { createPipeline, type Pipeline } from '../../helpers/pipeline.ts';
import { rewriteSession } from '../../helpers/session-hash.ts';
import { type IsolatedClient, isolatedClient } from './client.ts';

const COMMAND_TIMEOUT_MS = 400;

/** A primary, and a replica whose link can be held. */
async function replicatedRedis(): Promise<{ client: IsolatedClient; link: TcpProxy }> {
  const primary = await ownRedis();
  const link = await startTcpProxy({ targetPort: primary.port });
  onTestFinished(() => link.stop());
  await ownRedis({ extraArgs: ['--replicaof', '127.0.0.1', String(link.port)] });
  const client = isolatedClient({ url: primary.url, commandTimeoutMs: COMMAND_TIMEOUT_MS });
  await eventually(async () => expect(await client.redis.wait(1, 100)).toBe(1));
  return { client, link };
}

function notDurable(durability: string, why: string | RegExp) {
  return expect.objectContaining({
    code: 'NOT_DURABLE',
    retryable: true,
    durability,
    cause: expect.objectContaining({ message: expect.stringMatching(why) }),
  });
}

it('replica: the save is acknowledged when a replica has it, many at once with few waits', async () => {
  const { client } = await replicatedRedis();
  const saves = Array.from({ length: 200 }, (_, i) =>
    client.sessions.saveUserState(`u${i}`, { count: i }, { durability: 'replica' }),
  );
  for (const receipt of await Promise.all(saves)) expect(receipt.durability).toBe('replica');
  const stats = await client.redis.info('commandstats');
  expect(Number(/cmdstat_wait:calls=(\d+)/.exec(stats)?.[1])).toBeLessThan(50);
});

it('replica: saves one after the other leave no listener behind', async () => {
  const { client } = await replicatedRedis();
  const warnings: Error[] = [];
  const note = (warning: Error): void => void warnings.push(warning);
  process.on('warning', note);
  onTestFinished(() => void process.off('warning', note));
  for (let i = 0; i < 30; i++) {
    await client.sessions.saveUserState('ana', { count: i }, { durability: 'replica' });
  }
  // A warning is emitted in the next turn.
  await new Promise((resolve) => setImmediate(resolve));
  expect(warnings.filter(({ name }) => name === 'MaxListenersExceededWarning')).toEqual([]);
});

it('replica: with its link held the save is there, and the error says that it is not replicated', async () => {
  const { client, link } = await replicatedRedis();
  await client.sessions.saveUserState('ana', { step: 'before' }, { durability: 'replica' });
  link.holdReplies();
  const failure: unknown = await client.sessions
    .saveUserState('ana', { step: 'saved' }, { durability: 'replica' })
    .catch((error: unknown) => error);
  expect(failure).toEqual(notDurable('replica', /No replica/));
  const { receipt } = failure as DurabilityError;
  expect(await client.sessions.getUserSession('ana')).toEqual({
    state: { step: 'saved' },
    version: receipt.version,
  });
  // Other saves do not wait behind it.
  expect(await client.sessions.saveUserState('bo', { step: 'saved' })).toMatchObject({
    durability: 'memory',
  });

  link.releaseReplies();
  const { opId, version } = receipt;
  await eventually(async () => {
    const again = client.sessions.saveUserState('ana', { step: 'saved' }, { opId, durability: 'replica' });
    expect(await again).toEqual({ version, opId, isReplay: true, durability: 'replica' });
  });
});

it('replica: without a replica the error says so, for one save as for many', async () => {
  const client = isolatedClient({ commandTimeoutMs: COMMAND_TIMEOUT_MS, durability: 'replica' });
  const saves = Array.from({ length: 20 }, (_, i) => client.sessions.saveUserState(`u${i}`, { count: i }));
  for (const { status, ...rest } of await Promise.allSettled(saves)) {
    expect(status).toBe('rejected');
    expect(rest).toEqual({ reason: notDurable('replica', /No replica/) });
  }
});

it('replica: a primary that does not have the save any more proves nothing', async () => {
  const { client } = await replicatedRedis();
  const { opId } = await client.sessions.saveUserState('ana', { step: 'lost' }, { durability: 'replica' });
  // As when it was promoted after the answer: the save that was acknowledged is newer than what it holds.
  await rewriteSession(client.redis, client.locate('ana').key, { operations: `${opId}=3999999999999999` });
  const again = client.sessions.saveUserState('ana', { step: 'lost' }, { opId, durability: 'replica' });
  await expect(again).rejects.toEqual(notDurable('replica', /does not have the save/));
});

it('replica: a primary that never had the save proves nothing, though it has a newer one', async () => {
  const { client, link } = await replicatedRedis();
  link.holdReplies();
  const first = client.sessions.saveUserState('bo', { step: 'waits' }, { durability: 'replica' });
  const second = client.sessions.saveUserState('ana', { step: 'lost' }, { durability: 'replica' });
  const { key } = client.locate('ana');
  await eventually(async () => expect(await client.redis.exists(key)).toBe(1));
  // As when it was promoted after the answer, and has been saved to since.
  const version = '3999999999999999';
  await rewriteSession(client.redis, key, { version, operations: `other=${version}`, savedIn: '1' });
  link.releaseReplies();
  await expect(second).rejects.toEqual(notDurable('replica', /does not have the save/));
  expect(await first).toMatchObject({ durability: 'replica' });
});

async function withPostgres(durability?: 'postgres'): Promise<Pipeline & { client: IsolatedClient }> {
  const pipeline = await createPipeline();
  const loader = createPostgresLoader({
    databaseUrl: pipeline.databaseUrl,
    schema: pipeline.settings.SESSION_DB_SCHEMA,
    timeoutMs: 1000,
  });
  onTestFinished(() => loader.close());
  const { keyPrefix, partitions } = pipeline.keyspace;
  const client = isolatedClient({ keyPrefix, partitions, loader, durability });
  return { ...pipeline, client };
}

it('postgres: the row is committed when the save is acknowledged, deletes and updates too', async () => {
  const { client, row, ...pipeline } = await withPostgres('postgres');
  const ana = refOf('ana');
  const saved = await client.sessions.saveUserState(ana, { step: 'paid' });
  expect(saved.durability).toBe('postgres');
  expect(await row(ana)).toEqual({ state: { step: 'paid' }, version: saved.version });
  const updated = await client.sessions.updateUserState(ana, (state) => ({ ...state, count: 1 }));
  expect(await row(ana)).toEqual({ state: { step: 'paid', count: 1 }, version: updated.version });
  const cleared = await client.sessions.clearUserState(ana);
  expect(await row(ana)).toEqual({ state: null, version: cleared.version });

  // The consumer finds a duplicate, and the session becomes clean.
  const sync = pipeline.startSync();
  await eventually(async () => expect(await pipeline.countDirty()).toBe(0));
  expect(sync.consumer.readiness.isReady).toBe(true);
  expect(await row(ana)).toEqual({ state: null, version: cleared.version });
});

it('postgres: a save that was overtaken is durable, because the later one is', async () => {
  const { client, row } = await withPostgres();
  const ana = refOf('ana');
  const first = await client.sessions.saveUserState(ana, { step: 'first' }, { opId: 'first' });
  const second = await client.sessions.saveUserState(ana, { step: 'second' }, { durability: 'postgres' });
  const again = await client.sessions.saveUserState(
    ana,
    { step: 'first' },
    { opId: 'first', durability: 'postgres' },
  );
  expect(again).toMatchObject({ version: first.version, isReplay: true, durability: 'postgres' });
  expect(await row(ana)).toEqual({ state: { step: 'second' }, version: second.version });
});

it('postgres: a save that is repeated with another state commits the one that was saved', async () => {
  const { client, row } = await withPostgres();
  const ana = refOf('ana');
  const first = await client.sessions.saveUserState(ana, { step: 'first' }, { opId: 'op' });
  const again = await client.sessions.saveUserState(
    ana,
    { step: 'another' },
    { opId: 'op', durability: 'postgres' },
  );
  expect(again).toMatchObject({ version: first.version, isReplay: true });
  expect(await row(ana)).toEqual({ state: { step: 'first' }, version: first.version });
});

it('postgres: when it cannot commit, the save is in Redis and the error says so; repeating it waits again', async () => {
  const { client, row, pool, table } = await withPostgres();
  const ana = refOf('ana');
  await pool.query(`ALTER TABLE ${table} RENAME TO elsewhere`);
  const failure: unknown = await client.sessions
    .saveUserState(ana, { step: 'paid' }, { durability: 'postgres' })
    .catch((error: unknown) => error);
  expect(failure).toEqual(notDurable('postgres', 'does not exist'));
  await pool.query(`ALTER TABLE ${table.replace('"session"', 'elsewhere')} RENAME TO session`);
  const { opId, version } = (failure as DurabilityError).receipt;
  await client.sessions.saveUserState(ana, { step: 'paid' }, { opId, durability: 'postgres' });
  expect(await row(ana)).toEqual({ state: { step: 'paid' }, version });
});

it('postgres: a row from the future is not taken for the save', async () => {
  const { client, row, queries } = await withPostgres();
  const ana = refOf('ana');
  const version = String(BigInt(Date.now() + 3_600_000) * 1000n);
  await queries.upsertSessions([{ ref: ana, state: '{"step":"other"}', version }]);
  await expect(
    client.sessions.saveUserState(ana, { step: 'paid' }, { durability: 'postgres' }),
  ).rejects.toEqual(notDurable('postgres', 'another version'));
  expect(await row(ana)).toMatchObject({ version });
});

it('postgres: a newer save that was not made on the same server after this one proves nothing', async () => {
  const { client, keyspace, row, redis, queries } = await withPostgres();
  const ana = refOf('ana');
  await client.sessions.saveUserState(ana, { step: 'lost' }, { opId: 'lost' });
  // As when a replica without it was promoted, and has been saved to since.
  const version = String(BigInt(Date.now() + 3_600_000) * 1000n);
  await rewriteSession(redis, keyspace.locate(ana).key, { version, savedIn: '1' });
  await queries.upsertSessions([{ ref: ana, state: '{"step":"other"}', version }]);
  const again = client.sessions.saveUserState(
    ana,
    { step: 'lost' },
    { opId: 'lost', durability: 'postgres' },
  );
  await expect(again).rejects.toEqual(notDurable('postgres', 'another version'));
  expect(await row(ana)).toMatchObject({ version });
});

it('postgres: needs a loader that can write', async () => {
  const { sessions, another } = isolatedClient();
  await expect(sessions.saveUserState('ana', {}, { durability: 'postgres' })).rejects.toThrow(
    InvalidOptionError,
  );
  expect(() => another({ durability: 'postgres' })).toThrow('no loader that can write');
  await expect(sessions.saveUserState('ana', {}, { durability: 'disk' as never })).rejects.toThrow(
    'memory, replica, postgres',
  );
});
