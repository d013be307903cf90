import { chownSync, copyFileSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findFreePort, type PostgresServer } from '@cauce/dev-services';
import { migrate } from '@cauce/postgres/migrate';
import { createSessionClient } from '@cauce/session-client';
import { createPostgresLoader } from '@cauce/session-client/postgres';
import { createLogger, startPeriodicSync } from '@cauce/sync-consumer';
import { Redis } from 'ioredis';
import pg from 'pg';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createCli } from '../cli/cli.ts';
import { type Certificates, canMakeCertificates, makeCertificates } from '../helpers/certificates.ts';
import { spawnCauceSync } from '../helpers/consumer-process.ts';
import { eventually } from '../helpers/eventually.ts';
import { ownPostgres, ownRedis } from '../helpers/own-servers.ts';
import { createPipeline } from '../helpers/pipeline.ts';

/** A Redis that speaks TLS on a second port, and asks for a client's certificate. */
async function redisWithTls({ caFile, server }: Certificates): Promise<{ url: string; tlsUrl: string }> {
  const { url } = await ownRedis();
  const port = await findFreePort();
  const admin = new Redis(url);
  onTestFinished(() => admin.disconnect());
  const files = [
    'tls-ca-cert-file',
    caFile,
    'tls-cert-file',
    server.certFile,
    'tls-key-file',
    server.keyFile,
  ];
  await admin.call('CONFIG', 'SET', ...files, 'tls-port', port);
  return { url, tlsUrl: `rediss://127.0.0.1:${port}` };
}

/** A PostgreSQL that takes TLS only, and only with a client's certificate. */
async function postgresWithTls({ caFile, server }: Certificates): Promise<PostgresServer> {
  const postgres = await ownPostgres();
  const { dataDir, url } = postgres;
  const { uid, gid } = statSync(dataDir);
  const put = (source: string, name: string): void => {
    copyFileSync(source, join(dataDir, name));
    chownSync(join(dataDir, name), uid, gid);
  };
  put(caFile, 'ca.pem');
  put(server.certFile, 'server.pem');
  put(server.keyFile, 'server.key');
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  for (const setting of [
    "ssl_ca_file = 'ca.pem'",
    "ssl_cert_file = 'server.pem'",
    "ssl_key_file = 'server.key'",
    'ssl = on',
  ]) {
    await client.query(`ALTER SYSTEM SET ${setting}`);
  }
  writeFileSync(join(dataDir, 'pg_hba.conf'), 'hostssl all all 127.0.0.1/32 trust clientcert=verify-ca\n');
  await client.query('SELECT pg_reload_conf()');
  await client.end();
  await eventually(() => expect(postgres.readLog()).toContain('parameter "ssl" changed to "on"'));
  return postgres;
}

describe.skipIf(!canMakeCertificates)('Redis by TLS', () => {
  it('is reached with a CA and a client certificate by all three', async () => {
    const certificates = makeCertificates();
    const { tlsUrl } = await redisWithTls(certificates);
    const { caFile, client } = certificates;
    const redisTls = { caFile, ...client };
    const pipeline = await createPipeline();
    const { SESSION_KEY_PREFIX: keyPrefix, SESSION_PARTITIONS: partitions } = pipeline.settings;
    await using sessions = createSessionClient<object>({ redis: tlsUrl, redisTls, keyPrefix, partitions });
    await sessions.saveUserState('ana', { step: 'x' });
    const env = {
      ...pipeline.env,
      REDIS_URL: tlsUrl,
      REDIS_TLS_CA_FILE: caFile,
      REDIS_TLS_CERT_FILE: client.certFile,
      REDIS_TLS_KEY_FILE: client.keyFile,
    };
    const consumer = await spawnCauceSync(pipeline, env);
    await eventually(async () =>
      expect(await pipeline.row({ tenantId: 'default', userId: 'ana' })).toMatchObject({
        state: { step: 'x' },
      }),
    );
    expect(consumer.output()).not.toContain('plain text');
    const cli = await createCli();
    expect(await cli.run(['drain'], { env })).toMatchObject({ code: 0 });
  });

  it('is not reached with another CA, nor without the certificate, and nothing is sent in plain text instead', async () => {
    const certificates = makeCertificates();
    const { tlsUrl } = await redisWithTls(certificates);
    const { caFile, otherCaFile, client } = certificates;
    for (const [redisTls, why] of [
      [{ caFile: otherCaFile, ...client }, /certificate/],
      [{ ...client }, /certificate/],
      [{ caFile }, /certificate|alert|ECONNRESET|closed|EPIPE/],
    ] as const) {
      await using sessions = createSessionClient({ redis: tlsUrl, redisTls, connectTimeoutMs: 300 });
      await expect(sessions.getUserState('ana')).rejects.toMatchObject({
        code: 'REDIS_UNAVAILABLE',
        cause: { message: expect.stringMatching(why) },
      });
    }
  });
});

describe.skipIf(!canMakeCertificates)('PostgreSQL by TLS', () => {
  it('is reached with a CA and a client certificate, and not without', async () => {
    const certificates = makeCertificates();
    const { caFile, otherCaFile, client } = certificates;
    const { url } = await postgresWithTls(certificates);
    const withFiles = (ca: string): string =>
      `${url}?sslmode=verify-full&sslrootcert=${ca}&sslcert=${client.certFile}&sslkey=${client.keyFile}`;
    const databaseUrl = withFiles(caFile);
    await migrate({ databaseUrl, schema: 'public', table: 'session' });
    await using loader = createPostgresLoader({ databaseUrl });
    expect(await loader.load([{ tenantId: 'a', userId: 'b' }], {})).toEqual([undefined]);
    for (const wrong of [withFiles(otherCaFile), `${url}?sslmode=verify-full&sslrootcert=${caFile}`, url]) {
      await using other = createPostgresLoader({ databaseUrl: wrong });
      await expect(other.load([{ tenantId: 'a', userId: 'b' }], {})).rejects.toThrow();
    }
    const { redisUrl, settings } = await createPipeline({ migrated: false });
    const env = {
      REDIS_URL: redisUrl,
      DATABASE_URL: databaseUrl,
      SESSION_KEY_PREFIX: settings.SESSION_KEY_PREFIX,
      SESSION_PARTITIONS: '4',
    };
    const cli = await createCli();
    expect(await cli.run(['verify'], { env })).toMatchObject({ code: 0 });
  });
});

describe('sslmode', () => {
  // What docs/operations.md says of it.
  it.each<[string, 'plain' | 'verified' | 'not verified' | 'CA verified']>([
    ['', 'plain'],
    ['?sslmode=disable', 'plain'],
    ['?sslmode=no-verify', 'not verified'],
    ['?sslmode=prefer', 'verified'],
    ['?sslmode=require', 'verified'],
    ['?sslmode=verify-ca', 'verified'],
    ['?sslmode=verify-full', 'verified'],
    ['?ssl=true', 'verified'],
    ['?uselibpqcompat=true&sslmode=prefer', 'not verified'],
    ['?uselibpqcompat=true&sslmode=require', 'not verified'],
    ['?uselibpqcompat=true&sslmode=verify-full', 'verified'],
  ])('%s is %s', (query, expected) => {
    const { ssl } = new pg.Client({ connectionString: `postgres://u@h/db${query}` }) as unknown as {
      ssl: boolean | { rejectUnauthorized?: boolean };
    };
    const found = !ssl
      ? 'plain'
      : ssl !== true && ssl.rejectUnauthorized === false
        ? 'not verified'
        : 'verified';
    expect(found).toBe(expected);
  });
});

describe('plain text to another host', () => {
  it.each([
    ['redis://192.0.2.1:6379', 'postgres://u@192.0.2.2/db', ['192.0.2.1', '192.0.2.2']],
    ['redis+cluster://192.0.2.1,localhost', 'postgres://u@h/db?sslmode=verify-full', ['192.0.2.1']],
    ['redis+sentinel://192.0.2.1/main', 'postgres://u@localhost/db', ['192.0.2.1']],
    ['rediss://192.0.2.1', 'postgres://u@h/db?sslmode=disable', ['h']],
    ['rediss://192.0.2.1', 'postgres://u@/db?host=/run/postgresql', []],
    ['redis://[::1]', 'postgres://u@127.0.0.1/db', []],
    ['redis://localhost?path=/run/redis.sock', 'postgres://u@localhost/db', []],
  ])('%s and %s: the log warns once of %j', async (redis, database, hosts) => {
    const warned: string[] = [];
    const logger = createLogger('info', {
      write: (line) => {
        const { msg, hosts: found } = JSON.parse(line) as { msg: string; hosts?: string[] };
        if (msg.includes('in plain text')) warned.push(...(found ?? []));
      },
    });
    const sync = startPeriodicSync({ redis, database, logger });
    await sync.stop({ deadlineMs: 0 });
    expect(warned).toEqual(hosts);
  });

  it('the CLI says so on stderr, and nothing on stdout', async () => {
    const cli = await createCli();
    const env = { ...cli.env, REDIS_URL: 'redis://192.0.2.1:6379' };
    const { stdout, stderr } = await cli.run(['pending', '--json'], { env, connectTimeoutMs: 50 });
    expect(stderr).toContain('warning: sessions travel to Redis in plain text');
    expect(stdout).not.toContain('warning');
    const quiet = await cli.run(['pending', '--quiet'], { env, connectTimeoutMs: 50 });
    expect(quiet.stderr).not.toContain('warning');
  });
});

describe('a secret in a file', () => {
  it('is taken by cauce-sync and by cauce', async () => {
    const pipeline = await createPipeline();
    const folder = mkdtempSync(join(tmpdir(), 'cauce-secrets-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const redisFile = join(folder, 'redis');
    const databaseFile = join(folder, 'database');
    await writeFile(redisFile, `${pipeline.redisUrl}\n`);
    await writeFile(databaseFile, `${pipeline.databaseUrl}\n`);
    const { REDIS_URL: _, DATABASE_URL: __, ...rest } = pipeline.env;
    const env = { ...rest, REDIS_URL_FILE: redisFile, DATABASE_URL_FILE: databaseFile };
    const consumer = await spawnCauceSync({ ...pipeline, env });
    await consumer.waitForLine('syncing sessions');
    const cli = await createCli();
    const files = { readFile: (path: string) => readFile(path, 'utf8') };
    expect((await cli.run(['drain'], { env, ...files })).code).toBe(0);
  });

  it.each([
    ['REDIS_URL_FILE', '/nowhere/redis', /REDIS_URL_FILE.*\/nowhere\/redis.*ENOENT/],
    ['DATABASE_URL_FILE', '/nowhere/db', /DATABASE_URL_FILE.*\/nowhere\/db.*ENOENT/],
    ['REDIS_TLS_CA_FILE', '/nowhere/ca', /REDIS_TLS_CA_FILE.*\/nowhere\/ca.*ENOENT/],
    ['REDIS_TLS_CA_FILE', '/etc/hostname', /REDIS_TLS_CA_FILE.*\/etc\/hostname.*not a PEM/],
    ['REDIS_TLS_KEY_FILE', '/nowhere/key', /REDIS_TLS_KEY_FILE.*\/nowhere\/key.*ENOENT/],
  ])('%s that names %s: exit 2 with the name of the setting', async (name, path, expected) => {
    const pipeline = await createPipeline({ migrated: false });
    const env = { ...pipeline.env, REDIS_URL: 'rediss://127.0.0.1:1', [name]: path };
    const secret = name.replace('_FILE', '');
    if (secret in env) delete (env as Record<string, string>)[secret];
    const child = await spawnCauceSync({ ...pipeline, env });
    expect([(await child.exit).code, child.output()]).toEqual([2, expect.stringMatching(expected)]);
    expect(child.output()).not.toContain(`${secret} is missing`);
    const cli = await createCli({ migrated: false });
    const files = { readFile: (file: string) => readFile(file, 'utf8') };
    const { code, stderr } = await cli.run(['drain'], { env, ...files });
    expect([code, stderr]).toEqual([2, expect.stringMatching(expected)]);
  });

  it('beside the secret itself, and files of TLS beside a plain URL, are refused', async () => {
    const cli = await createCli();
    const both = await cli.run(['drain'], { env: { ...cli.env, REDIS_URL_FILE: '/x' } });
    expect([both.code, both.stderr]).toEqual([2, expect.stringContaining('REDIS_URL_FILE')]);
    const plain = await cli.run(['drain'], { env: { ...cli.env, REDIS_TLS_CA_FILE: '/etc/hostname' } });
    expect([plain.code, plain.stderr]).toEqual([2, expect.stringContaining('needs a rediss URL')]);
  });
});
