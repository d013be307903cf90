import { InvalidOptionError, openRedis, withoutCredentials } from '@cauce/protocol';
import { Cluster, Redis } from 'ioredis';
import { expect, it, onTestFinished } from 'vitest';

const options = { connectionName: 'test', answerTimeoutMs: 1000, onError: () => {} };

it.each([
  ['redis://user:s3cr3t-CANARY@host:6379/0', 'redis://host:6379/0'],
  ['rediss://:s3cr3t-CANARY@host', 'rediss://host'],
  ['redis://host:6379?password=s3cr3t-CANARY', 'redis://host:6379'],
  ['postgres://u:s3cr3t%2FCANARY@host:5432/db?sslpassword=CANARY', 'postgres://host:5432/db'],
  ['redis://user:12#s3cr3t-CANARY@host', '(a URL that needs escaping)'],
  ['redis://user:12/s3cr3t-CANARY@host', '(a URL that needs escaping)'],
  ['redis://host', 'redis://host'],
  ['redis+sentinel://user:s3cr3t-CANARY@a:1,b:2/main/3', 'redis+sentinel://a:1,b:2/main/3'],
  ['rediss+cluster://:s3cr3t-CANARY@a:1,[::1]:2', 'rediss+cluster://a:1,[::1]:2'],
  ['redis+cluster://:s3@cr3t-CANARY@a:1?password=CANARY', 'redis+cluster://a:1'],
  ['redis+cluster://user:12#s3cr3t-CANARY@a:1,b:2', '(a URL that needs escaping)'],
  ['redis+sentinel://user:12/s3cr3t-CANARY@a:1/main', '(a URL that needs escaping)'],
  ['redis+sentinel://user:12?s3cr3t-CANARY@a:1/main', '(a URL that needs escaping)'],
  ['not a url s3cr3t-CANARY', '(not a URL)'],
  ['', '(not a URL)'],
])('what may be printed of %s', (url, printed) => {
  expect(withoutCredentials(url)).toBe(printed);
  expect(withoutCredentials(url)).not.toContain('CANARY');
});

it('a URL of another kind is refused without its password', () => {
  expect(() => openRedis('http://u:s3cr3t-CANARY@host', options)).toThrow(InvalidOptionError);
  expect(() => openRedis('http://u:s3cr3t-CANARY@host', options)).toThrow(
    /^The Redis URL \*\*\* is of no known form; allowed is redis:\/\/host:port\/db, redis\+sentinel:\/\/.* or redis\+cluster:\/\//,
  );
});

it('F7 a connection opened here queues nothing and sends nothing twice', async () => {
  const { redis, close } = openRedis({ lazyConnect: true }, options);
  expect(redis.options).toMatchObject({
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    connectionName: 'test',
    socketTimeout: 1000,
  });
  await close();
});

it('F7 a connection to a cluster queues nothing, sends nothing twice, and reads from primaries only', async () => {
  const { redis, close } = openRedis('redis+cluster://bot:s%2F3@127.0.0.1:1,[::1]:2', options);
  expect(redis.options).toMatchObject({
    enableOfflineQueue: false,
    retryDelayOnFailover: 0,
    scaleReads: 'master',
    redisOptions: {
      username: 'bot',
      password: 's/3',
      connectionName: 'test',
      socketTimeout: 1000,
      connectTimeout: 1000,
      replyMapping: 'legacy',
    },
  });
  expect(redis.options).not.toHaveProperty('redisOptions.tls');
  await close();
  const tls = openRedis('rediss+cluster://127.0.0.1:1', options);
  expect(tls.redis.options).toHaveProperty('redisOptions.tls');
  await tls.close();
});

it('F7 a connection through sentinels queues nothing, sends nothing twice, and goes to the primary only', async () => {
  const { redis, close } = openRedis('redis+sentinel://:s3@127.0.0.1,[::1]:2/main-1.a/4', options);
  expect(redis.options).toMatchObject({
    sentinels: [
      { host: '127.0.0.1', port: 26_379 },
      { host: '::1', port: 2 },
    ],
    name: 'main-1.a',
    db: 4,
    password: 's3',
    username: null,
    role: 'master',
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    socketTimeout: 1000,
  });
  expect(redis.options).not.toHaveProperty('sentinelTLS');
  await close();
  const tls = openRedis('rediss+sentinel://127.0.0.1:1/main', options);
  expect(tls.redis.options).toMatchObject({
    tls: {},
    sentinelTLS: {},
    enableTLSForSentinelMode: true,
    db: 0,
  });
  await tls.close();
});

it.each([
  ['redis+sentinel://:s3cr3t-CANARY@a:1,b:2', 'does not end with the name'],
  ['redis+sentinel://:s3cr3t-CANARY@a:1,b:2/', 'does not end with the name'],
  ['redis+sentinel://:s3cr3t-CANARY@a:1/main/x', 'does not end with the name'],
  ['redis+sentinel://:s3cr3t-CANARY@a:1,b:99999/main', 'an address that is not host:port'],
  ['redis+cluster://:s3cr3t-CANARY@', 'an address that is not host:port'],
  ['redis+cluster://:s3cr3t-CANARY@a:1,,b:1', 'an address that is not host:port'],
  ['redis+cluster://:s3cr3t-CANARY@a:1/2', 'only database 0'],
  ['redis+cluster://:12/s3cr3t-CANARY@a:1', 'needs percent-encoding'],
  ['redis+cluster://:%zzs3cr3t-CANARY@a:1', 'need percent-encoding'],
  ['redis+cluster://s3cr3t-CANARY@a:1', 'need percent-encoding'],
  ['redis+unix://:s3cr3t-CANARY@a:1', 'of no known form'],
])('%s is refused without its password, and with what is allowed', (url, why) => {
  const refused = (): unknown => openRedis(url, options);
  expect(refused).toThrow(InvalidOptionError);
  expect(refused).toThrow(why);
  expect(refused).toThrow('redis+sentinel://host:port,host:port/master-name');
  expect(refused).not.toThrow('CANARY');
});

it.each<[object, string]>([
  [{ scaleReads: 'all', retryDelayOnFailover: 0 }, 'scaleReads'],
  [{ scaleReads: 'slave', retryDelayOnFailover: 0 }, 'scaleReads'],
  [{}, 'retryDelayOnFailover'],
  [{ retryDelayOnFailover: 0, keyPrefix: 'x:' }, 'keyPrefix'],
  [{ retryDelayOnFailover: 0, redisOptions: { keyPrefix: 'x:' } }, 'keyPrefix'],
  [{ retryDelayOnFailover: 0, redisOptions: { replyMapping: 'resp3' } }, 'replyMapping'],
])('a cluster connection with %j is refused', (clusterOptions, why) => {
  const cluster = new Cluster([{ port: 1 }], { ...clusterOptions, lazyConnect: true });
  onTestFinished(() => cluster.disconnect());
  expect(() => openRedis(cluster, options)).toThrow(InvalidOptionError);
  expect(() => openRedis(cluster, options)).toThrow(why);
});

it('a cluster connection that reads from primaries and sends nothing twice is taken', () => {
  const safe = { lazyConnect: true, retryDelayOnFailover: 0, enableOfflineQueue: false };
  const cluster = new Cluster([{ port: 1 }], safe);
  onTestFinished(() => cluster.disconnect());
  expect(openRedis(cluster, options).redis).toBe(cluster);
});

it('a connection that was passed in is left alone by close', async () => {
  const own = new Redis({ lazyConnect: true, maxRetriesPerRequest: 0, enableOfflineQueue: false });
  const opened = openRedis(own, options);
  expect(opened.redis).toBe(own);
  await opened.close();
  expect(own.status).toBe('wait');
  own.disconnect();
});
