import { InvalidOptionError, openRedis, withoutCredentials } from '@cauce/protocol';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';

const options = { connectionName: 'test', answerTimeoutMs: 1000, onError: () => {} };

it.each([
  ['redis://user:s3cr3t-CANARY@host:6379/0', 'redis://host:6379/0'],
  ['rediss://:s3cr3t-CANARY@host', 'rediss://host'],
  ['redis://host:6379?password=s3cr3t-CANARY', 'redis://host:6379'],
  ['postgres://u:s3cr3t%2FCANARY@host:5432/db?sslpassword=CANARY', 'postgres://host:5432/db'],
  ['redis://user:12#s3cr3t-CANARY@host', '(a URL that needs escaping)'],
  ['redis://user:12/s3cr3t-CANARY@host', '(a URL that needs escaping)'],
  ['redis://host', 'redis://host'],
  ['not a url s3cr3t-CANARY', '(not a URL)'],
  ['', '(not a URL)'],
])('what may be printed of %s', (url, printed) => {
  expect(withoutCredentials(url)).toBe(printed);
  expect(withoutCredentials(url)).not.toContain('CANARY');
});

it('a URL of another kind is refused without its password', () => {
  expect(() => openRedis('http://u:s3cr3t-CANARY@host', options)).toThrow(InvalidOptionError);
  expect(() => openRedis('http://u:s3cr3t-CANARY@host', options)).toThrow(
    'The Redis URL http://host/ does not start with redis:// or rediss://.',
  );
});

it('F7 a connection opened here queues nothing and sends nothing twice', async () => {
  const { redis, close } = openRedis(
    { lazyConnect: true, maxRetriesPerRequest: 9, enableOfflineQueue: true },
    options,
  );
  expect(redis.options).toMatchObject({
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    connectionName: 'test',
    socketTimeout: 1000,
  });
  await close();
});

it("a connection with ioredis' keyPrefix or RESP3 mapping is refused, owned or not", () => {
  const own = new Redis({ lazyConnect: true, keyPrefix: 'x:' });
  expect(() => openRedis(own, options)).toThrow(InvalidOptionError);
  own.disconnect();
  expect(() => openRedis({ lazyConnect: true, keyPrefix: 'x:' }, options)).toThrow('keyPrefix');
  expect(() => openRedis({ lazyConnect: true, replyMapping: 'resp3' }, options)).toThrow('resp3');
});

it('a connection that was passed in is left alone by close', async () => {
  const own = new Redis({ lazyConnect: true });
  const opened = openRedis(own, options);
  expect(opened.redis).toBe(own);
  await opened.close();
  expect(own.status).toBe('wait');
  own.disconnect();
});
