import { createSessionClient } from '@cauce/session-client';
import { startPeriodicSync, syncToDB } from '@cauce/sync-consumer';
import { Redis } from 'ioredis';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { createCli } from '../cli/cli.ts';
import { spawnCauceSync } from '../helpers/consumer-process.ts';
import { eventually } from '../helpers/eventually.ts';
import { uniqueName } from '../helpers/isolated.ts';
import { ownRedis } from '../helpers/own-servers.ts';
import { createPipeline } from '../helpers/pipeline.ts';

/** How many the server has taken since it was started. */
async function countConnections(redis: Redis): Promise<number> {
  return Number(/total_connections_received:(\d+)/.exec(await redis.info('stats'))?.[1]);
}

describe('a Redis URL that would make saves unsafe', () => {
  it.each(['keyPrefix=bot:', 'maxRetriesPerRequest=20'])('?%s is refused by all three', async (parameter) => {
    const pipeline = await createPipeline();
    const redis = `${pipeline.redisUrl}/0?${parameter}`;
    const [name = ''] = parameter.split('=');
    const refused = expect.objectContaining({
      code: 'INVALID_OPTION',
      message: expect.stringContaining(name),
    });
    expect(() => createSessionClient({ redis })).toThrow(refused);
    expect(() =>
      startPeriodicSync({ redis, database: pipeline.databaseUrl, settings: pipeline.settings }),
    ).toThrow(refused);
    const consumer = await spawnCauceSync(pipeline, { REDIS_URL: redis });
    expect((await consumer.exit).code).toBe(2);
    expect(consumer.output()).toContain('REDIS_URL');
    expect(consumer.output()).toContain(name);
    const cli = await createCli();
    const status = await cli.run(['status'], { env: { ...cli.env, REDIS_URL: redis } });
    expect([status.code, status.stderr]).toEqual([2, expect.stringContaining(name)]);
  });
});

describe('a database that Redis does not have', () => {
  it('is never replaced by database 0: client, consumer and CLI refuse', async () => {
    const { url } = await ownRedis({ extraArgs: ['--databases', '1'] });
    const pipeline = await createPipeline();
    const redis = `${url}/1`;
    await using sessions = createSessionClient({ redis, keyPrefix: uniqueName(), partitions: 4 });
    const refused = expect.objectContaining({
      code: 'INVALID_OPTION',
      message: expect.stringMatching(/database 1.*ERR DB index is out of range/),
    });
    await expect(sessions.saveUserState('ana', {})).rejects.toEqual(refused);
    await expect(sessions.getUserState('ana')).rejects.toEqual(refused);
    const { databaseUrl: database, settings } = pipeline;
    await expect(syncToDB({ redis, database, settings })).rejects.toEqual(refused);
    const consumer = await spawnCauceSync(pipeline, { REDIS_URL: redis });
    expect((await consumer.exit).code).toBe(2);
    expect(consumer.output()).toContain('database 1');
    const cli = await createCli();
    const status = await cli.run(['status'], { env: { ...cli.env, REDIS_URL: redis } });
    expect([status.code, status.stderr]).toEqual([2, expect.stringContaining('database 1')]);
    const admin = new Redis(url, { retryStrategy: () => null });
    onTestFinished(() => admin.disconnect());
    expect(await admin.dbsize()).toBe(0);
  });

  it('is refused on a connection of the caller too', async () => {
    const { url } = await ownRedis({ extraArgs: ['--databases', '1'] });
    const redis = new Redis(`${url}/1`, { maxRetriesPerRequest: 0, enableOfflineQueue: false });
    redis.on('error', () => {});
    onTestFinished(() => redis.disconnect());
    await using sessions = createSessionClient({ redis, keyPrefix: uniqueName(), partitions: 4 });
    await expect(sessions.saveUserState('ana', {})).rejects.toMatchObject({ code: 'INVALID_OPTION' });
    // Once more on a connection that ioredis calls ready: it is with database 0.
    await eventually(() => redis.ping());
    await expect(sessions.saveUserState('ana', {})).rejects.toMatchObject({ code: 'INVALID_OPTION' });
    expect(await redis.dbsize()).toBe(0);
  });

  it('is noticed on a later connection as well', async () => {
    const { url } = await ownRedis();
    const zero = new Redis(url);
    onTestFinished(() => zero.disconnect());
    await using sessions = createSessionClient({ redis: `${url}/1`, keyPrefix: uniqueName(), partitions: 4 });
    await sessions.saveUserState('ana', {});
    await zero.call('ACL', 'SETUSER', 'default', '-select');
    await zero.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    const outcomes = new Set<string>();
    const before = await countConnections(zero);
    await eventually(async () => {
      outcomes.add(
        await sessions.saveUserState('ana', {}).then(
          () => 'saved',
          ({ code }: { code: string }) => code,
        ),
      );
      expect(await countConnections(zero)).toBeGreaterThan(before + 4);
    });
    // The first may have been on its way when the connection was ended.
    outcomes.delete('SAVE_UNKNOWN');
    expect([...outcomes]).toEqual(['SAVE_REJECTED']);
    expect(await zero.dbsize()).toBe(0);
    await zero.call('ACL', 'SETUSER', 'default', '+select');
    await eventually(() => sessions.saveUserState('ana', {}));
    expect(await zero.dbsize()).toBe(0);
  });

  it('that Redis has is used, and no other', async () => {
    const redis = `${inject('redisUrl')}/1`;
    const keyPrefix = uniqueName();
    await using sessions = createSessionClient<object>({ redis, keyPrefix, partitions: 4 });
    await sessions.saveUserState('ana', { step: 'x' });
    const zero = new Redis(inject('redisUrl'));
    onTestFinished(() => zero.disconnect());
    expect(await zero.keys(`${keyPrefix}:*`)).toEqual([]);
    await zero.select(1);
    expect(await zero.keys(`${keyPrefix}:*`)).not.toEqual([]);
  });
});
