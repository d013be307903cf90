import { createServer } from 'node:net';
import { createPool, createQueries } from '@cauce/postgres';
import { migrate } from '@cauce/postgres/migrate';
import { openRedis } from '@cauce/protocol';
import { createPostgresLoader } from '@cauce/session-client/postgres';
import { Redis } from 'ioredis';
import pg from 'pg';
import { expect, inject, onTestFinished, test } from 'vitest';

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

test.each(['opened here', 'handed over'])(
  'a second error of a socket of Redis ends no process: %s',
  async (which) => {
    const url = inject('redisUrl');
    const options = { connectionName: '', answerTimeoutMs: 1000, onError: () => {} };
    const own = new Redis(url, { maxRetriesPerRequest: 0, enableOfflineQueue: false });
    own.on('error', () => {});
    onTestFinished(() => own.disconnect());
    const opened = openRedis(which === 'handed over' ? own : url, options);
    onTestFinished(() => opened.close());
    await opened.ready(2000);
    const { stream } = opened.redis as Redis;
    // As TLS does for a certificate that is refused after the connection stood.
    for (const text of ['write EPIPE', 'tlsv1 alert decode error']) stream.emit('error', new Error(text));
  },
);
