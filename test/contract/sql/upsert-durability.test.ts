import { type PostgresServer, startPostgres } from '@cauce/dev-services';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabase, type Database, sessionRow, userIds } from './rows.ts';

// A server whose operator traded durability for speed, with a log writer too slow to hide it; what else would write the
// log by itself is off. Without fsync: a kill loses what is in the server's memory, not what it gave to the system, and
// recovery is quick.
let server: PostgresServer;

beforeAll(async () => {
  server = await startPostgres({
    settings: {
      ...{ fsync: 'off', wal_writer_delay: '10s', wal_writer_flush_after: '1GB' },
      ...{ autovacuum: 'off', bgwriter_lru_maxpages: '0', checkpoint_timeout: '1d' },
    },
  });
  const client = await connectServer();
  await client.query('ALTER DATABASE cauce SET synchronous_commit = off');
  await client.query('ALTER ROLE cauce SET synchronous_commit = off');
  await client.end();
});

afterAll(() => server.stop());

test('a written batch survives kill -9 at once, although the database default is off (P4, F13)', async () => {
  const pipelining = await createDatabase(server.url);
  const plain = await createDatabase(server.url, { pipeline: false });
  const survived: string[] = [];
  for (let round = 0; round < 24; round++) {
    const database = round % 2 ? plain : pipelining;
    expect(await retried(() => defaultOf(database))).toBe('off');
    await database.queries.upsertSessions([sessionRow('same', round), sessionRow(`round-${round}`, 1)]);
    await server.kill('SIGKILL');
    await server.restart();
    const found = await retried(() =>
      database.queries.selectSessions([
        { tenantId: 'acme', userId: `round-${round}` },
        { tenantId: 'acme', userId: 'same' },
      ]),
    );
    if (found.some(({ version }) => version === sessionRow('same', round).version)) {
      survived.push(...userIds(found).filter((id) => id !== 'same'));
    }
  }
  expect(survived).toEqual(Array.from({ length: 24 }, (_, round) => `round-${round}`));
});

test('the same kill does lose rows that were written with the default: the test can tell (F13)', async () => {
  const { pool, table, queries } = await createDatabase(server.url);
  // What was logged before is on disk after this.
  await queries.upsertSessions([sessionRow('kept', 1)]);
  const logWriter = await findLogWriter(pool);
  process.kill(logWriter, 'SIGSTOP');
  await pool.query(`INSERT INTO ${table} VALUES ('acme', 'plain', '1', 1, now(), now(), now())`);
  const killed = server.kill('SIGKILL');
  process.kill(logWriter, 'SIGKILL');
  await killed;
  await server.restart();
  const found = await retried(() =>
    queries.selectSessions(['kept', 'plain'].map((userId) => ({ tenantId: 'acme', userId }))),
  );
  expect(userIds(found)).toEqual(['kept']);
});

test('the log is on disk when the upsert returns, and need not be after a plain insert (P4, F13)', async () => {
  const { pool, table, queries } = await createDatabase(server.url, { maxConnections: 1 });
  const isFlushed = async (): Promise<boolean> =>
    (await pool.query('SELECT pg_current_wal_flush_lsn() >= pg_current_wal_insert_lsn() AS flushed')).rows[0]
      .flushed;
  const afterInserts: boolean[] = [];
  for (let round = 0; round < 10; round++) {
    const values = [`plain-${round}`];
    await pool.query(`INSERT INTO ${table} VALUES ('acme', $1, '1', 1, now(), now(), now())`, values);
    afterInserts.push(await isFlushed());
    const position = (await pool.query('SELECT pg_current_wal_insert_lsn() AS lsn')).rows[0].lsn;
    await queries.upsertSessions([sessionRow('ana', round + 1)]);
    const reached = await pool.query('SELECT pg_current_wal_flush_lsn() > $1::pg_lsn AS is_past', [position]);
    expect(reached.rows).toEqual([{ is_past: true }]);
  }
  expect(afterInserts).toContain(false);
});

async function findLogWriter(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query<{ pid: number }>(
    "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'",
  );
  if (!rows[0]) throw new Error('there is no log writer');
  return rows[0].pid;
}

async function connectServer(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  return client;
}

async function defaultOf({ pool }: Database): Promise<string> {
  return (await pool.query('SHOW synchronous_commit')).rows[0].synchronous_commit;
}

// Connections of the pool that died with the server are noticed when they are used.
async function retried<T>(read: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await read();
    } catch (error) {
      if (attempt === 10) throw error;
    }
  }
}
