import { InvalidOptionError, openRedis } from '@cauce/protocol';
import { Cluster, type ClusterOptions, Redis, type RedisOptions } from 'ioredis';
import { describe, expect, it, onTestFinished } from 'vitest';

const options = { connectionName: 'test', answerTimeoutMs: 1000, onError: () => {} };
const CANARY = 's3cr3t-CANARY';

function refusal(source: Parameters<typeof openRedis>[0]): string {
  try {
    const opened = openRedis(source, options);
    onTestFinished(() => opened.close());
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidOptionError);
    return (error as Error).message;
  }
  return 'taken';
}

describe('a Redis URL', () => {
  it.each([
    'keyPrefix=bot:',
    'maxRetriesPerRequest=20',
    'autoResendUnfulfilledCommands=true',
    'enableOfflineQueue=true',
    'reconnectOnError=2',
    'readOnly=true',
    'stringNumbers=true',
    'replyMapping=resp3',
    'role=slave',
    'monitor=true',
    'enableReadyCheck=',
    'commandTimeout=1',
    'retryStrategy=',
    'whatever=1',
  ])('with ?%s is refused by the name of the parameter, of whatever form it is', (parameter) => {
    const [name = ''] = parameter.split('=');
    for (const url of [
      `redis://u:${CANARY}@127.0.0.1:1/0?${parameter}`,
      `rediss://u:${CANARY}@127.0.0.1:1?family=4&${parameter}`,
      `redis+sentinel://u:${CANARY}@127.0.0.1:1/main?${parameter}`,
      `redis+cluster://u:${CANARY}@127.0.0.1:1?${parameter}`,
    ]) {
      expect(refusal(url)).toContain(name);
      expect(refusal(url)).not.toContain(CANARY);
    }
  });

  it.each<[string, RedisOptions]>([
    ['redis://127.0.0.1:1/3', { db: 3 }],
    ['redis://127.0.0.1:1?db=3', { db: 3 }],
    ['redis://127.0.0.1:1?family=6', { family: 6 }],
    ['redis://127.0.0.1:1?connectionName=bot-7', { connectionName: 'bot-7' }],
    ['redis://127.0.0.1:1?username=u&password=a%26b', { username: 'u', password: 'a&b' }],
    ['redis://u:p%23%2F%40@127.0.0.1:1', { username: 'u', password: 'p#/@' }],
    ['redis://:p@[::1]:1', { host: '::1', password: 'p', port: 1 }],
    ['redis://localhost?path=/run/redis.sock', { path: '/run/redis.sock' }],
    ['redis+sentinel://127.0.0.1:1/main/3?family=4', { db: 3, family: 4 }],
  ])('%s works', async (url, expected) => {
    const opened = openRedis(url, options);
    expect(opened.redis.options).toMatchObject({ connectionName: 'test', ...expected });
    await opened.close();
  });

  it.each([
    `redis://u:12#${CANARY}@h:1`,
    `redis://u:12/${CANARY}@h:1`,
    `redis://u:12?${CANARY}@h:1`,
    `redis://u:%zz${CANARY}@h:1`,
    `redis://u:${CANARY}@h:99999`,
    `redis://u:${CANARY}@h:p/0`,
    `redis://:${CANARY}`,
    `redis://u:${CANARY}@h/null`,
    `redis://u:${CANARY}@h/-1`,
    `redis://u:${CANARY}@h/1?db=2`,
    `redis://u:${CANARY}@h?family=5`,
    `redis://u:${CANARY}@h#x`,
    `redis://${CANARY}@h`,
    `redis://u:${CANARY}@h?${CANARY}=1`,
  ])('%s is refused, and the password is not shown', (url) => {
    expect(refusal(url)).toMatch(/^The Redis URL \*\*\* /);
    expect(refusal(url)).not.toContain('CANARY');
  });
});

describe('ioredis options', () => {
  it.each<[string, RedisOptions]>([
    ['keyPrefix', { keyPrefix: 'x:' }],
    ['maxRetriesPerRequest', { maxRetriesPerRequest: 20 }],
    ['maxRetriesPerRequest', { maxRetriesPerRequest: null }],
    ['autoResendUnfulfilledCommands', { autoResendUnfulfilledCommands: true }],
    ['enableOfflineQueue', { enableOfflineQueue: true }],
    ['reconnectOnError', { reconnectOnError: () => 2 }],
    ['stringNumbers', { stringNumbers: true }],
    ['readOnly', { readOnly: true }],
    ['replyMapping', { replyMapping: 'resp3' }],
    ['role', { role: 'slave', sentinels: [{ port: 1 }], name: 'main' }],
    ['commandTimeout', { commandTimeout: 1 }],
    ['db', { db: Number.NaN }],
    ['Connector', { Connector: class {} as never }],
  ])('with %s are refused by name', (name, source) => {
    expect(refusal({ lazyConnect: true, port: 1, ...source })).toContain(name);
  });

  it('that only say how the server is reached are taken, and so are those Cauce would set itself', async () => {
    const opened = openRedis(
      {
        ...{ lazyConnect: true, host: '127.0.0.1', port: 1, db: 2, family: 4, username: 'u', password: 'p' },
        ...{ tls: { servername: 'x' }, connectionName: 'mine', protocol: 2, keepAlive: 1 },
        ...{ maxRetriesPerRequest: 0, enableOfflineQueue: false, role: 'master', keyPrefix: undefined },
      },
      options,
    );
    expect(opened.redis.options).toMatchObject({ db: 2, tls: { servername: 'x' }, connectionName: 'mine' });
    await opened.close();
  });
});

describe('a connection that is handed over', () => {
  const safe: RedisOptions = { lazyConnect: true, maxRetriesPerRequest: 0, enableOfflineQueue: false };
  const safeCluster: ClusterOptions = {
    lazyConnect: true,
    retryDelayOnFailover: 0,
    enableOfflineQueue: false,
  };

  function owned(own: RedisOptions): Redis {
    const redis = new Redis(own as object);
    onTestFinished(() => redis.disconnect());
    return redis;
  }

  function ownedCluster(own: ClusterOptions): Cluster {
    const cluster = new Cluster([{ port: 1 }], own as object);
    onTestFinished(() => cluster.disconnect());
    return cluster;
  }

  it.each<[string, RedisOptions]>([
    ['maxRetriesPerRequest', { maxRetriesPerRequest: 20 }],
    ['maxRetriesPerRequest', { maxRetriesPerRequest: null }],
    ['enableOfflineQueue', { enableOfflineQueue: true }],
    ['keyPrefix', { keyPrefix: 'x:' }],
    ['stringNumbers', { stringNumbers: true }],
    ['readOnly', { readOnly: true }],
    ['replyMapping', { replyMapping: 'resp3' }],
    ['role', { role: 'slave' }],
    ['reconnectOnError', { reconnectOnError: ({ message }) => (message.startsWith('READONLY') ? 2 : false) }],
  ])('with an unsafe %s is refused by name', (name, own) => {
    expect(refusal(owned({ ...safe, ...own }))).toContain(name);
  });

  it("with ioredis' defaults is refused, and every option at fault is named", () => {
    const why = refusal(owned({ lazyConnect: true }));
    expect(why).toContain('maxRetriesPerRequest');
    expect(why).toContain('enableOfflineQueue');
  });

  it.each<RedisOptions>([
    {},
    { db: 3, family: 4 },
    { maxRetriesPerRequest: 5, autoResendUnfulfilledCommands: false },
    { reconnectOnError: ({ message }) => message.startsWith('READONLY') },
    { retryStrategy: () => null, commandTimeout: 100, enableReadyCheck: false },
    { enableAutoPipelining: true },
  ])('with %j is taken', (own) => {
    expect(refusal(owned({ ...safe, ...own }))).toBe('taken');
  });

  it.each<[string, ClusterOptions]>([
    ['enableOfflineQueue', { enableOfflineQueue: true }],
    ['maxRedirections', { maxRedirections: 100 }],
    ['retryDelayOnTryAgain', { retryDelayOnTryAgain: 1000 }],
    ['retryDelayOnClusterDown', { retryDelayOnClusterDown: 1000 }],
    ['retryDelayOnMoved', { retryDelayOnMoved: 1000 }],
    ['db', { redisOptions: { db: 1 } }],
    ['stringNumbers', { redisOptions: { stringNumbers: true } }],
    ['reconnectOnError', { redisOptions: { reconnectOnError: () => 2 } }],
    ['maxRetriesPerRequest', { clusterNodeRetryStrategy: () => 100 }],
  ])('to a cluster with an unsafe %s is refused by name', (name, own) => {
    expect(refusal(ownedCluster({ ...safeCluster, ...own }))).toContain(name);
  });

  it.each<ClusterOptions>([
    {},
    { clusterNodeRetryStrategy: () => 100, redisOptions: { maxRetriesPerRequest: 0 } },
  ])('to a cluster with %j is taken', (own) => {
    expect(refusal(ownedCluster({ ...safeCluster, ...own }))).toBe('taken');
  });
});
