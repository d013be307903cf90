import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { realStores, runCli } from '@cauce/cli';
import { PostgresError } from '@cauce/postgres';
import { createScripts } from '@cauce/protocol';
import { createSessionClient } from '@cauce/session-client';
import { createLogger } from '@cauce/sync-consumer';
import { Redis } from 'ioredis';
import { expect, inject, onTestFinished, test } from 'vitest';
import { runCauce } from '../helpers/consumer-process.ts';
import { eventually } from '../helpers/eventually.ts';
import { connectRedis, isolatedRedis, uniqueName } from '../helpers/isolated.ts';
import { ownPostgres } from '../helpers/own-servers.ts';
import { createPipeline, type Pipeline } from '../helpers/pipeline.ts';

const SECRET = 'canary-7f3b1e';

interface Said {
  readonly log: string;
  readonly readiness: string;
  readonly cli: string;
  readonly code: number;
}

/** What a consumer and `cauce drain` say of stores that cannot be used. */
async function whatIsSaid(pipeline: Pipeline, urls: { redis?: string; database?: string }): Promise<Said> {
  const env = {
    ...pipeline.env,
    ...(urls.redis === undefined ? {} : { REDIS_URL: urls.redis }),
    ...(urls.database === undefined ? {} : { DATABASE_URL: urls.database }),
  };
  const lines: string[] = [];
  const logger = createLogger('info', { write: (line: string) => void lines.push(line) });
  const { consumer } = pipeline.startSync(
    {},
    { redis: env.REDIS_URL ?? '', database: env.DATABASE_URL ?? '', logger },
  );
  const printed: string[] = [];
  const stream = { isTTY: false, write: (text: string) => void printed.push(text) };
  const code = await runCli(['drain', '--deadline', '1s'], {
    ...realStores,
    ...{ version: '0', stdout: stream, stderr: stream, env, nowMs: Date.now, confirm: undefined },
    signal: new AbortController().signal,
    readFile: () => Promise.reject(new Error('no files here')),
    connectTimeoutMs: 1000,
  });
  const cli = printed.join('');
  const readiness = await eventually(() => {
    const { reason } = consumer.readiness;
    expect(reason).not.toBe('opening');
    return reason ?? '';
  });
  await eventually(() => expect(lines.length).toBeGreaterThan(0));
  for (const text of [...lines, readiness, cli]) expect(text).not.toContain(SECRET);
  const log = lines
    .map((line) => JSON.parse(line) as { msg: string; reason?: string; err?: { message: string } })
    .map(({ msg, reason, err }) => [msg, reason, err?.message].join(' '));
  return { log: log.join('\n'), readiness, cli, code };
}

function expectEverywhere(said: Said, words: string): void {
  expect(said.readiness).toContain(words);
  expect(said.log).toContain(words);
  expect(said.cli).toContain(words);
}

async function redisUrls(): Promise<Record<string, string>> {
  const redis = connectRedis();
  const { port } = new URL(inject('redisUrl'));
  const user = uniqueName();
  await redis.acl('SETUSER', user, 'on', `>${SECRET}`, '~*', '&*', '+@all');
  const server = createServer({}, () => {});
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port: tlsPort } = server.address() as { port: number };
  return {
    password: `redis://${user}:${SECRET}-wrong@127.0.0.1:${port}`,
    host: `redis://default:${SECRET}@no-such-host.invalid:6379`,
    refused: `redis://default:${SECRET}@127.0.0.1:1`,
    'tls to plain': `rediss://default:${SECRET}@127.0.0.1:${port}`,
    'plain to tls': `redis://default:${SECRET}@127.0.0.1:${tlsPort}`,
  };
}

test.each([
  ['password', 'it does not accept the user or the password (WRONGPASS)'],
  ['host', 'Redis at no-such-host.invalid:6379 could not be reached within'],
  ['host', 'its host is not known (ENOTFOUND)'],
  ['refused', 'nothing listens there (ECONNREFUSED): start Redis, or correct host and port in the Redis URL'],
  ['tls to plain', 'if it speaks none, write redis:// instead of rediss://'],
  ['plain to tls', 'if it speaks TLS, write rediss:// instead of redis://'],
])('Redis, %s: log, readiness and command say the same: %s', async (fault, words) => {
  const urls = await redisUrls();
  const url = urls[fault] ?? '';
  const said = await whatIsSaid(await createPipeline(), { redis: url });
  expectEverywhere(said, words);
  expect(said.code).toBe(4);
  const sessions = createSessionClient({ redis: url, connectTimeoutMs: 1000 });
  onTestFinished(() => sessions.close());
  const error = await sessions.getUserState('ana').catch((thrown: Error) => thrown);
  expect((error as Error).message).toContain(words);
});

test.each([
  ['host', 'no-such-host.invalid:5432: the host is not known; correct DATABASE_URL', 4],
  [
    'refused',
    'ECONNREFUSED at 127.0.0.1:1: nothing listens there; start PostgreSQL, or correct DATABASE_URL',
    4,
  ],
  ['database', 'database "nowhere" does not exist; correct DATABASE_URL, or create the database', 4],
  ['tls', 'The server does not support SSL connections; correct sslmode and sslrootcert', 4],
  ['tables', 'run `cauce migrate`, with the same schema and table', 1],
])('PostgreSQL, %s: log, readiness and command say the same: %s', async (fault, words, code) => {
  const pipeline = await createPipeline({ migrated: fault !== 'tables' });
  const url = new URL(pipeline.databaseUrl);
  const urls: Record<string, string> = {
    host: `postgres://cauce:${SECRET}@no-such-host.invalid/x`,
    refused: `postgres://cauce:${SECRET}@127.0.0.1:1/x`,
    database: Object.assign(new URL(url), { pathname: '/nowhere' }).toString(),
    tls: `${url}?sslmode=verify-full`,
    tables: String(url),
  };
  const said = await whatIsSaid(pipeline, { database: urls[fault] ?? '' });
  expectEverywhere(said, words);
  expect(said.readiness).toMatch(/ at [\w.-]+:\d+: /);
  expect(said.code).toBe(code);
});

test('PostgreSQL: a file of TLS that vanishes after the start is named, and is no outage', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cauce-ca-'));
  const file = join(folder, 'ca.pem');
  writeFileSync(file, '');
  const pipeline = await createPipeline();
  const lines: string[] = [];
  const logger = createLogger('info', { write: (line: string) => void lines.push(line) });
  const database = `${pipeline.databaseUrl}?sslmode=verify-full&sslrootcert=${file}`;
  const { consumer } = pipeline.startSync({}, { database, logger });
  rmSync(folder, { recursive: true });
  const words = `open '${file}'; correct sslrootcert, sslcert or sslkey in DATABASE_URL`;
  await eventually(() => expect(consumer.readiness.reason).toContain(words));
  expect(lines.join('')).toContain(words);
  expect(lines.join('')).not.toContain('PostgreSQL is away');
});

test('a missing sslrootcert is a fault of the setting, named at the start: not an outage', async () => {
  const pipeline = await createPipeline();
  const database = `${pipeline.databaseUrl}?sslmode=verify-full&sslrootcert=/nowhere/ca.pem`;
  const refused = expect.objectContaining({
    code: 'INVALID_OPTION',
    message: expect.stringContaining('names the file /nowhere/ca.pem'),
  });
  expect(() => pipeline.startSync({}, { database })).toThrow(refused);
  const { code, output } = await runCauce({ ...pipeline, env: { ...pipeline.env, DATABASE_URL: database } }, [
    'drain',
  ]);
  expect(output).toContain('/nowhere/ca.pem');
  expect(code).toBe(2);
});

test('a wrong password of PostgreSQL names host and port, and neither user nor password', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cauce-hba-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  chmodSync(folder, 0o755);
  writeFileSync(
    join(folder, 'hba'),
    'local all all trust\nhost all cauce 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n',
    { mode: 0o644 },
  );
  const server = await ownPostgres({ settings: { hba_file: join(folder, 'hba') } });
  const pipeline = await createPipeline({ databaseUrl: server.url });
  await pipeline.pool.query(`CREATE ROLE someone LOGIN PASSWORD 'right'`);
  const { host } = new URL(server.url);
  const said = await whatIsSaid(pipeline, { database: `postgres://someone:${SECRET}@${host}/cauce` });
  expectEverywhere(said, `28P01 at ${host}: the user or the password is not accepted; correct DATABASE_URL`);
  for (const text of [said.log, said.readiness, said.cli]) expect(text).not.toContain('someone');
});

test('a lost race (40001) is not called an outage', () => {
  const { message } = PostgresError.from(
    Object.assign(new Error('could not serialize access'), { code: '40001' }),
  );
  expect(message).toBe('PostgreSQL could not run a statement: 40001: could not serialize access');
  const away = PostgresError.from(Object.assign(new Error('shutting down'), { code: '57P01' }));
  expect(away.message).toContain('PostgreSQL is away');
});

/** Scripts of a user who may run everything but one command. */
async function scriptsWithout(command: string) {
  const { keyspace } = isolatedRedis();
  const user = uniqueName();
  await connectRedis().acl('SETUSER', user, 'on', `>${SECRET}`, '~*', '&*', '+@all', `-${command}`);
  const { port } = new URL(inject('redisUrl'));
  const redis = new Redis(`redis://${user}:${SECRET}@127.0.0.1:${port}`);
  onTestFinished(() => redis.disconnect());
  return { keyspace, scripts: createScripts({ redis, keyspace }, { timeoutMs: 2000 }) };
}

test.each(['hset', 'time', 'hmget'])('a script that may not run %s says so by name', async (command) => {
  const { scripts } = await scriptsWithout(command);
  await expect(scripts.openPartition(0, { floor: '7', createGroup: true })).rejects.toMatchObject({
    failure: { reason: 'NOPERM', effect: 'refused', retryable: false },
    message: expect.stringContaining(
      `may not run ${command.toUpperCase()}, which the script openPartition needs`,
    ),
  });
});

test('where Redis does not say which command of a save it forbids, all it needs are named', async () => {
  const { scripts, keyspace } = await scriptsWithout('hset');
  const session = keyspace.locate({ tenantId: 'acme', userId: 'ana' });
  const call = { session, state: '{}', isTombstone: false, opId: uniqueName() };
  expect(await scripts.save([call], { maxBytes: 1000 })).toMatchObject([
    {
      outcome: 'failed',
      error: {
        failure: { reason: 'NOPERM', effect: 'refused', retryable: false },
        message: expect.stringMatching(/may not run one of .*HSET.*XADD.* which the script save needs/),
      },
    },
  ]);
});
