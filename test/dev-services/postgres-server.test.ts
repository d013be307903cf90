import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type PostgresServer, startPostgres } from '@cauce/dev-services';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isRunning } from './is-running.ts';

async function query(server: PostgresServer, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: server.url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query(sql)).rows as Record<string, unknown>[];
  } finally {
    await client.end();
  }
}

/** Ids of the System V shared memory segments of this machine; PostgreSQL uses one per server. */
function sharedMemorySegments(): string[] {
  const rows = readFileSync('/proc/sysvipc/shm', 'utf8').trim().split('\n').slice(1);
  return rows.map((row) => row.trim().split(/\s+/)[1] ?? '');
}

function segmentOf(server: PostgresServer): string {
  const line = readFileSync(join(server.dataDir, 'postmaster.pid'), 'utf8').split('\n')[6] ?? '';
  return line.trim().split(/\s+/)[1] ?? '';
}

describe('a private PostgreSQL', () => {
  let server: PostgresServer;

  beforeAll(async () => {
    server = await startPostgres({ settings: { log_min_duration_statement: '12345' } });
    await query(server, 'CREATE TABLE kept (id int PRIMARY KEY)');
  });

  afterAll(async () => {
    await server.stop();
  });

  it('answers on a port that is not the usual one, durable and in UTF-8', async () => {
    expect(server.port).not.toBe(5432);
    const [row] = await query(
      server,
      `SELECT current_user AS role, current_database() AS database,
        current_setting('fsync') AS fsync, current_setting('server_encoding') AS encoding,
        current_setting('max_connections') AS connections,
        current_setting('log_min_duration_statement') AS custom`,
    );
    expect(row).toEqual({
      role: 'cauce',
      database: 'cauce',
      fsync: 'on',
      encoding: 'UTF8',
      connections: '100',
      custom: '12345ms',
    });
  });

  it('still has a committed row after kill -9 with sessions open', async () => {
    const idle = new pg.Client({ connectionString: server.url });
    const isCut = new Promise((resolve) => idle.on('error', resolve));
    await idle.connect();
    await idle.query('BEGIN');
    await idle.query('INSERT INTO kept VALUES (2)');
    await query(server, 'INSERT INTO kept VALUES (1)');
    const { pid } = server;
    await server.kill('SIGKILL');
    expect(isRunning(pid)).toBe(false);
    await isCut;
    await server.restart();
    expect(await query(server, 'SELECT id FROM kept ORDER BY id')).toEqual([{ id: 1 }]);
  });

  it('is gone for good after kill -9 while a backend is busy', async () => {
    const busy = new pg.Client({ connectionString: server.url });
    busy.on('error', () => undefined);
    await busy.connect();
    const [{ pid } = {}] = (await busy.query('SELECT pg_backend_pid() AS pid')).rows as { pid: number }[];
    const endless = busy.query('SELECT count(*) FROM generate_series(1, 1000000000000)');
    const isCut = expect(endless).rejects.toThrow();
    await server.kill();
    expect(isRunning(pid ?? 0)).toBe(false);
    await isCut;
    await server.restart();
    expect(await query(server, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  }, 30_000);

  it.each(['fast', 'immediate'] as const)('comes back after a %s shutdown', async (mode) => {
    await server.shutdown(mode);
    expect(server.isRunning).toBe(false);
    await server.restart();
    expect(await query(server, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('leaves a query unanswered while paused, also in sessions that are open', async () => {
    const client = new pg.Client({ connectionString: server.url });
    await client.connect();
    server.pause();
    let isAnswered = false;
    const answer = client.query('SELECT 1').then(() => {
      isAnswered = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(isAnswered).toBe(false);
    server.resume();
    await answer;
    await client.end();
  });

  it('leaves no process, folder or shared memory behind, even if killed or paused before', async () => {
    const [killed, paused] = await Promise.all([startPostgres(), startPostgres()]);
    const segments = [segmentOf(killed), segmentOf(paused)];
    expect(sharedMemorySegments()).toEqual(expect.arrayContaining(segments));
    await killed.kill();
    paused.pause();
    await Promise.all([killed.stop(), paused.stop()]);
    expect(existsSync(killed.dataDir)).toBe(false);
    expect(existsSync(paused.dataDir)).toBe(false);
    for (const segment of segments) expect(sharedMemorySegments()).not.toContain(segment);
  });

  it('keeps the data of a folder the caller chose', async () => {
    const parent = mkdtempSync(join(tmpdir(), 'cauce-test-'));
    chmodSync(parent, 0o755);
    const dataDir = join(parent, 'data');
    try {
      const first = await startPostgres({ dataDir });
      await query(first, 'CREATE TABLE here (id int)');
      await first.stop();
      const second = await startPostgres({ dataDir });
      expect(await query(second, 'SELECT * FROM here')).toEqual([]);
      await second.stop();
    } finally {
      rmSync(parent, { recursive: true });
    }
  });

  it('says what the log says when it cannot start', async () => {
    await expect(startPostgres({ settings: { no_such_setting: '1' } })).rejects.toMatchObject({
      code: 'START_FAILED',
      message: expect.stringContaining('no_such_setting'),
    });
  });

  it('does not take a port that somebody else uses', async () => {
    await expect(startPostgres({ port: server.port })).rejects.toMatchObject({ code: 'PORT_TAKEN' });
  });
});
