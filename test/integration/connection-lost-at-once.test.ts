import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { createServer, type Socket } from 'node:net';
import {
  type RedisCluster,
  type SentinelGroup,
  startRedisCluster,
  startSentinelGroup,
} from '@cauce/dev-services';
import { createPool, createQueries } from '@cauce/postgres';
import { migrate } from '@cauce/postgres/migrate';
import { isCluster, type RedisConnection } from '@cauce/protocol';
import { createSessionClient } from '@cauce/session-client';
import { createPostgresLoader } from '@cauce/session-client/postgres';
import { Cluster, Redis } from 'ioredis';
import pg from 'pg';
import { beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest';
import { eventually } from '../helpers/eventually.ts';
import { uniqueName } from '../helpers/isolated.ts';

function message(type: string, body: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.length + 4);
  return Buffer.concat([Buffer.from(type), length, body]);
}

/** A PostgreSQL that goes down the moment it is ready: both arrive in one piece. */
const readyAndGone = Buffer.concat([
  message('R', Buffer.alloc(4)),
  message('Z', Buffer.from('I')),
  message('E', Buffer.from('SFATAL\0C57P01\0Mterminating connection due to administrator command\0\0')),
]);

/** Its URL. */
async function startDying(): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end(readyAndGone));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as { port: number };
  return `postgres://any@127.0.0.1:${port}/any?sslmode=disable`;
}

const ana = { tenantId: 'acme', userId: 'ana' };

/** A pool that the caller owns. */
function poolAt(connectionString: string): pg.Pool {
  const pool = new pg.Pool({ connectionString });
  pool.on('error', () => {});
  onTestFinished(() => pool.end());
  return pool;
}

test.each(['made for it', 'handed over'])(
  'a connection that is ended the moment it is made fails the statement, not the process: a pool %s',
  async (which) => {
    const databaseUrl = await startDying();
    const limits = { maxConnections: 1, connectTimeoutMs: 2000, queryTimeoutMs: 2000, onError: () => {} };
    const made = which === 'made for it' ? createPool({ databaseUrl, ...limits }) : undefined;
    onTestFinished(() => made?.end());
    const queries = createQueries(made ?? poolAt(databaseUrl), {
      schema: 'public',
      table: 'session',
      lockTimeoutMs: 1000,
      statementTimeoutMs: 1000,
      longTimeoutMs: 1000,
    });
    await expect(queries.upsertSessions([{ ref: ana, state: '{}', version: '1' }])).rejects.toThrow();
  },
);

test.each(['opened here', 'handed over'])(
  'it fails the load, not the bot: a pool that is %s',
  async (which) => {
    const databaseUrl = await startDying();
    const source = which === 'handed over' ? { pool: poolAt(databaseUrl) } : { databaseUrl };
    await using loader = createPostgresLoader({ ...source, timeoutMs: 2000 });
    await expect(loader.load([ana], {})).rejects.toThrow();
    await expect(loader.write(ana, { state: '{}', version: '1', isTombstone: false }, {})).rejects.toThrow();
  },
);

test('it fails the migration, not the process', async () => {
  const databaseUrl = await startDying();
  await expect(migrate({ databaseUrl, schema: 'public', table: 'session' })).rejects.toThrow();
});

interface Failures {
  /** Those that the sockets were connected to. */
  readonly ports: number[];
  readonly unheard: unknown[];
}

/** As TLS does for a certificate that is refused. */
function failTwice(socket: Socket, { ports, unheard }: Failures): void {
  ports.push(socket.remotePort ?? 0);
  try {
    for (const text of ['write EPIPE', 'tlsv1 alert decode error']) socket.emit('error', new Error(text));
  } catch (error) {
    unheard.push(error);
  }
}

/** Fails every socket that `run` makes, before anyone learns that it is connected. */
async function withFailingSockets(failures: Failures, run: () => Promise<void>): Promise<void> {
  const context = new AsyncLocalStorage<true>();
  const onSocket = (message: unknown): void => {
    const { socket } = message as { readonly socket: Socket };
    // Others in this process keep theirs.
    if (context.getStore()) socket.once('connect', () => failTwice(socket, failures));
  };
  subscribe('net.client.socket', onSocket);
  try {
    await context.run(true, run);
  } finally {
    unsubscribe('net.client.socket', onSocket);
  }
}

type Ioredis = Pick<typeof import('ioredis'), 'Cluster' | 'Redis'>;

const newest: Ioredis = { Redis, Cluster };
const oldest: Ioredis = createRequire(import.meta.url)('ioredis-5');

describe.each(['server', 'sentinel', 'cluster'] as const)(
  'a second error of a socket of Redis ends no process: %s',
  (kind) => {
    let group: SentinelGroup;
    let cluster: RedisCluster;
    beforeAll(async () => {
      if (kind === 'sentinel') group = await startSentinelGroup();
      if (kind === 'cluster') cluster = await startRedisCluster();
      return () => Promise.all([group?.stop(), cluster?.stop()]);
    });

    function url(): string {
      if (kind === 'server') return inject('redisUrl');
      return kind === 'sentinel' ? group.url : cluster.url;
    }

    /** One that the caller owns. */
    function connectionOf(ioredis: Ioredis, lazyConnect: boolean): RedisConnection {
      const connection = openOwn(ioredis, lazyConnect);
      connection.on('error', () => {});
      onTestFinished(() => connection.disconnect());
      return connection;
    }

    function openOwn(ioredis: Ioredis, lazyConnect: boolean): RedisConnection {
      const server = { maxRetriesPerRequest: 0, enableOfflineQueue: false, lazyConnect };
      if (kind === 'server') return new ioredis.Redis(inject('redisUrl'), server);
      if (kind === 'sentinel') {
        const sentinels = group.sentinels.map(({ port }) => ({ host: '127.0.0.1', port }));
        return new ioredis.Redis({ ...server, sentinels, name: group.masterName });
      }
      const nodes = cluster.nodes.map(({ port }) => ({ host: '127.0.0.1', port }));
      const safe = { scaleReads: 'master', retryDelayOnFailover: 0, enableOfflineQueue: false } as const;
      return new ioredis.Cluster(nodes, { ...safe, lazyConnect });
    }

    async function connected(ioredis: Ioredis): Promise<RedisConnection> {
      const connection = connectionOf(ioredis, false);
      await once(connection, 'ready');
      return connection;
    }

    /** Of each of these lists, one at least is connected to. */
    async function ports(): Promise<number[][]> {
      if (kind === 'server') return [[Number(new URL(inject('redisUrl')).port)]];
      if (kind === 'cluster') return cluster.nodes.map(({ port }) => [port]);
      return [group.sentinels.map(({ port }) => port), [(await group.primary()).port]];
    }

    test.each<[string, () => string | RedisConnection | Promise<RedisConnection>]>([
      ['opened here', url],
      ['handed over', () => connectionOf(newest, true)],
      ['handed over when it was connected', () => connected(newest)],
      ['handed over, of the oldest ioredis', () => connectionOf(oldest, true)],
      ['handed over when it was connected, of the oldest ioredis', () => connected(oldest)],
    ])('%s', async (_, source) => {
      const redis = await source();
      const failures: Failures = { ports: [], unheard: [] };
      await withFailingSockets(failures, async () => {
        const sessions = createSessionClient({ redis, keyPrefix: uniqueName(), commandTimeoutMs: 2000 });
        onTestFinished(() => sessions.close());
        if (typeof redis !== 'string') {
          const servers = isCluster(redis) ? redis.nodes() : [redis];
          for (const { stream } of servers) if (stream) failTwice(stream, failures);
        }
        await eventually(() => sessions.saveUserState('ana', {}));
        // This has a connection of its own. Most of these servers have no replica.
        await sessions.saveUserState('ana', {}, { durability: 'replica' }).catch(() => {});
      });
      expect(failures.unheard).toEqual([]);
      for (const some of await ports()) expect(failures.ports.some((port) => some.includes(port))).toBe(true);
    });
  },
);
