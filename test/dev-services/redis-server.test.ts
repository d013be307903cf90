import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { type RedisServer, startRedis } from '@cauce/dev-services';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import { isRunning } from './is-running.ts';

const opened: { stop(): Promise<void> }[] = [];

async function start(options?: Parameters<typeof startRedis>[0]): Promise<RedisServer> {
  const server = await startRedis(options);
  opened.push(server);
  return server;
}

async function withClient<T>(server: RedisServer, use: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(server.url, { maxRetriesPerRequest: 0, retryStrategy: () => null });
  redis.on('error', () => undefined);
  try {
    return await use(redis);
  } finally {
    redis.disconnect();
  }
}

afterEach(async () => {
  await Promise.all(opened.splice(0).map((server) => server.stop()));
});

describe('a private Redis', () => {
  it('answers on a port that is not the usual one, with the settings the pipeline relies on', async () => {
    const server = await start({ maxMemoryBytes: 50_000_000 });
    expect(server.port).not.toBe(6379);
    await withClient(server, async (redis) => {
      expect(await redis.ping()).toBe('PONG');
      const settings = await redis.config('GET', 'maxmemory*');
      expect(settings).toEqual(expect.arrayContaining(['volatile-lru', '50000000']));
      expect(await redis.config('GET', 'appendfsync')).toEqual(['appendfsync', 'everysec']);
      expect(await redis.config('GET', 'bind')).toEqual(['bind', '127.0.0.1']);
      expect(await redis.config('GET', 'save')).toEqual(['save', '']);
      expect(await redis.call('DEBUG', 'SLEEP', '0')).toBe('OK');
    });
  });

  it('still has what was written before kill -9', async () => {
    const server = await start();
    await withClient(server, (redis) => redis.set('kept', 'yes'));
    const { pid, url } = server;
    await server.kill();
    expect(server.isRunning).toBe(false);
    expect(isRunning(pid)).toBe(false);
    await server.restart();
    expect(server.url).toBe(url);
    expect(server.pid).not.toBe(pid);
    expect(await withClient(server, (redis) => redis.get('kept'))).toBe('yes');
  });

  it('still has what was written before a clean shutdown, and restarts while running', async () => {
    const server = await start();
    await withClient(server, (redis) => redis.set('kept', 'yes'));
    await server.shutdown();
    await server.restart();
    await server.restart();
    expect(await withClient(server, (redis) => redis.get('kept'))).toBe('yes');
  });

  it('leaves a command unanswered while paused', async () => {
    const server = await start();
    await withClient(server, async (redis) => {
      await redis.ping();
      server.pause();
      let isAnswered = false;
      const answer = redis.set('key', 'value').then(() => {
        isAnswered = true;
      });
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(isAnswered).toBe(false);
      server.resume();
      await answer;
    });
  });

  it('removes its process and its folder when stopped, even if paused or killed before', async () => {
    const paused = await start();
    const killed = await start();
    paused.pause();
    await killed.kill();
    for (const server of [paused, killed]) {
      expect(existsSync(server.dataDir)).toBe(true);
      await server.stop();
      await server.stop();
      expect(server.isRunning).toBe(false);
      expect(existsSync(server.dataDir)).toBe(false);
      await expect(server.restart()).rejects.toThrow('stopped for good');
    }
  });

  it('says what the log says when it cannot start', async () => {
    await expect(startRedis({ extraArgs: ['--no-such-setting', '1'] })).rejects.toMatchObject({
      code: 'START_FAILED',
      message: expect.stringContaining('no-such-setting'),
    });
  });

  it('does not take a port that somebody else uses', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as { port: number };
    try {
      await expect(startRedis({ port })).rejects.toMatchObject({ code: 'PORT_TAKEN' });
    } finally {
      other.close();
    }
  });

  it('does not mistake another Redis on its port for itself', async () => {
    const { port } = await start();
    await expect(startRedis({ port })).rejects.toMatchObject({ code: 'PORT_TAKEN' });
  });

  it('stops at the end of the block it was declared in', async () => {
    let dataDir: string;
    {
      await using server = await startRedis();
      dataDir = server.dataDir;
      expect(existsSync(dataDir)).toBe(true);
    }
    expect(existsSync(dataDir)).toBe(false);
  });
});
