import { createServer } from 'node:net';
import { createPool, createQueries } from '@cauce/sync-consumer';
import { expect, onTestFinished, test } from 'vitest';

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

test('a connection that is ended the moment it is made fails the statement, not the process', async () => {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end(readyAndGone));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as { port: number };
  const pool = createPool({
    databaseUrl: `postgres://any@127.0.0.1:${port}/any?sslmode=disable`,
    maxConnections: 1,
    connectTimeoutMs: 2000,
    queryTimeoutMs: 2000,
    onError: () => {},
  });
  onTestFinished(() => pool.end());
  const queries = createQueries(pool, {
    schema: 'public',
    table: 'session',
    lockTimeoutMs: 1000,
    statementTimeoutMs: 1000,
    longTimeoutMs: 1000,
  });
  const row = { ref: { tenantId: 'acme', userId: 'ana' }, state: '{}', version: '1' };
  await expect(queries.upsertSessions([row])).rejects.toThrow();
});
