import { Writable } from 'node:stream';
import { inspect } from 'node:util';
import type { RedisServer } from '@cauce/dev-services';
import { isCauceError, SESSION_HASH, type SessionRef } from '@cauce/protocol';
import { createSessionClient, type SessionClientOptions } from '@cauce/session-client';
import { createPostgresLoader } from '@cauce/session-client/postgres';
import { createLogger, startPeriodicSync, syncToDB } from '@cauce/sync-consumer';
import { Redis } from 'ioredis';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { createCli } from '../cli/cli.ts';
import { companion } from '../helpers/companion.ts';
import { spawnCauceSync } from '../helpers/consumer-process.ts';
import { eventually } from '../helpers/eventually.ts';
import { uniqueName } from '../helpers/isolated.ts';
import { ownRedis } from '../helpers/own-servers.ts';
import { createPipeline } from '../helpers/pipeline.ts';

/** Stands in every state, id and password of these tests. */
const CANARY = 'canary-5b91';
const state = { pin: CANARY };
const ref: SessionRef = { tenantId: `t-${CANARY}`, userId: `u-${CANARY}` };

type Sessions = ReturnType<typeof createSessionClient<object>>;

const calls: readonly [string, (sessions: Sessions) => Promise<unknown>][] = [
  ['save', (sessions) => sessions.saveUserState(ref, state)],
  ['save for PostgreSQL', (sessions) => sessions.saveUserState(ref, state, { durability: 'postgres' })],
  ['save for a replica', (sessions) => sessions.saveUserState(ref, state, { durability: 'replica' })],
  ['compare-and-set', (sessions) => sessions.saveUserState(ref, state, { ifVersion: '7' })],
  ['load', (sessions) => sessions.getUserState(ref)],
  ['load with version', (sessions) => sessions.getUserSession(ref)],
  ['load many', (sessions) => sessions.getUserStates([ref, `other-${CANARY}`])],
  ['update', (sessions) => sessions.updateUserState(ref, () => state)],
  ['clear', (sessions) => sessions.clearUserState(ref)],
  ['tenant', (sessions) => sessions.getTenantInfo(ref.tenantId, () => state)],
  ['tenant that cannot be loaded', (sessions) => sessions.getTenantInfo(ref.tenantId, throwSecrets)],
  ['tenant invalidation', (sessions) => sessions.invalidateTenant(ref.tenantId)],
  ['aborted load', (sessions) => sessions.getUserState(ref, { signal: AbortSignal.abort(secretError()) })],
];

/** What a driver may throw: the state in every field it can be in. */
function secretError(): Error {
  const cause = Object.assign(new Error(`of ${CANARY}`), { command: { args: [CANARY] } });
  return Object.assign(
    new Error(`Failing row contains (${CANARY})\n    at ${CANARY} (x.js:1:1)`, { cause }),
    {
      ...{ name: `Error of ${CANARY}`, code: CANARY, detail: CANARY, where: CANARY },
      ...{ parameters: [CANARY], errors: [new Error(CANARY)] },
    },
  );
}

function throwSecrets(): never {
  throw secretError();
}

function expectClean(found: unknown): void {
  expect(inspect(found, { depth: 20, showHidden: true })).not.toContain(CANARY);
}

async function redisWithPassword(): Promise<RedisServer> {
  const server = await ownRedis();
  const admin = new Redis(server.url);
  await admin.config('SET', 'requirepass', 'right');
  admin.disconnect();
  return server;
}

/** Makes every call, and looks through what each throws. Returns how many threw. */
async function expectCleanCalls(options: SessionClientOptions<object>): Promise<number> {
  const told: Error[] = [];
  const sessions = createSessionClient<object>({
    ...{ commandTimeoutMs: 500, connectTimeoutMs: 200, partitions: 4 },
    ...options,
    onRedisError: (error) => told.push(error),
  });
  let thrown = 0;
  for (const [name, call] of calls) {
    const error: unknown = await call(sessions).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (error === undefined) continue;
    thrown++;
    expect(isCauceError(error), `${name}: ${inspect(error)}`).toBe(true);
    expectClean(error);
  }
  await sessions.close();
  expectClean(told);
  return thrown;
}

function capture(): { readonly logger: ReturnType<typeof createLogger>; readonly lines: string[] } {
  const lines: string[] = [];
  const destination = new Writable({
    write(chunk, _, done) {
      lines.push(String(chunk));
      done();
    },
  });
  return { logger: createLogger('trace', destination), lines };
}

describe('no error of the session client holds a state, an id or a password', () => {
  it('with a wrong password', async () => {
    const server = await redisWithPassword();
    const redis = `redis://default:${CANARY}@127.0.0.1:${server.port}`;
    expect(await expectCleanCalls({ redis })).toBe(calls.length);
    expect(await expectCleanCalls({ redis: { port: server.port, password: CANARY, protocol: 2 } })).toBe(
      calls.length,
    );
  });

  it('with a user who may do nothing', async () => {
    const server = await ownRedis();
    const admin = new Redis(server.url);
    onTestFinished(() => admin.disconnect());
    const redis = `redis://bot:${CANARY}@127.0.0.1:${server.port}`;
    for (const rights of ['+info', '+@all -evalsha -eval', '+@all -hmget -get -set -del', '+@all -wait']) {
      await admin.call('ACL', 'SETUSER', 'bot', 'reset', 'on', `>${CANARY}`, '~*', ...rights.split(' '));
      expect(await expectCleanCalls({ redis, keyPrefix: uniqueName() })).toBeGreaterThan(2);
    }
  });

  it('with a Redis that is away', async () => {
    expect(await expectCleanCalls({ redis: `redis://u:${CANARY}@127.0.0.1:1` })).toBe(calls.length);
    expect(await expectCleanCalls({ redis: `redis+sentinel://:${CANARY}@127.0.0.1:1/main` })).toBe(
      calls.length,
    );
    expect(await expectCleanCalls({ redis: `redis+cluster://:${CANARY}@127.0.0.1:1` })).toBe(calls.length);
  });

  it('with a loader that throws the state, or answers with it', async () => {
    for (const load of [throwSecrets, async () => [CANARY] as never, async () => CANARY as never]) {
      const loader = { load, write: throwSecrets };
      expect(
        await expectCleanCalls({ redis: inject('redisUrl'), keyPrefix: uniqueName(), loader }),
      ).toBeGreaterThan(2);
    }
  });

  it('with a row that PostgreSQL refuses, and with a table that is not there', async () => {
    const { pool, table, settings, databaseUrl, redisUrl } = await createPipeline();
    await pool.query(`ALTER TABLE ${table} ADD CONSTRAINT no_pin CHECK (state->>'pin' IS NULL)`);
    const database = databaseUrl.replace('//cauce@', `//cauce:${CANARY}@`);
    const schema = settings.SESSION_DB_SCHEMA;
    for (const name of ['session', 'nowhere']) {
      await using loader = createPostgresLoader({ databaseUrl: database, schema, table: name });
      expect(await expectCleanCalls({ redis: redisUrl, keyPrefix: uniqueName(), loader })).toBeGreaterThan(2);
      const session = { state: JSON.stringify(state), version: '5', isTombstone: false };
      expectClean(await loader.write(ref, session, {}).catch((error: unknown) => error));
    }
    await using away = createPostgresLoader({ databaseUrl: `postgres://u:${CANARY}@127.0.0.1:1/x` });
    expectClean(await away.load([ref], {}).catch((error: unknown) => error));
  });

  it('when PostgreSQL ends an idle connection', async () => {
    const { pool, databaseUrl, settings } = await createPipeline();
    const told: Error[] = [];
    const name = `canary${uniqueName()}`;
    const url = `${databaseUrl.replace('//cauce@', `//cauce:${CANARY}@`)}?application_name=${name}`;
    await using loader = createPostgresLoader({
      ...{ databaseUrl: url, schema: settings.SESSION_DB_SCHEMA },
      onError: (error) => told.push(error),
    });
    await loader.load([ref], {});
    await pool.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1', [
      name,
    ]);
    await eventually(() => expect(told.length).toBeGreaterThan(0));
    expectClean(told);
  });

  it('with what is no session under its key', async () => {
    const redis = inject('redisUrl');
    const keyPrefix = uniqueName();
    await using sessions = createSessionClient<object>({ redis, keyPrefix, partitions: 1 });
    await sessions.saveUserState(ref, state);
    const admin = new Redis(redis);
    onTestFinished(() => admin.disconnect());
    const [key = ''] = await admin.keys(`${keyPrefix}:{*}:s:*`);
    await admin.hset(key, SESSION_HASH.state, `{"pin":"${CANARY}`);
    expect(await expectCleanCalls({ redis, keyPrefix, partitions: 1 })).toBeGreaterThan(2);
    await admin.hset(key, SESSION_HASH.header, CANARY);
    expect(await expectCleanCalls({ redis, keyPrefix, partitions: 1 })).toBeGreaterThan(2);
    await admin.del(key);
    await admin.set(key, CANARY);
    expect(await expectCleanCalls({ redis, keyPrefix, partitions: 1 })).toBeGreaterThan(2);
  });

  it('with ids and states that are refused', async () => {
    await using sessions = createSessionClient<object>({
      redis: inject('redisUrl'),
      keyPrefix: uniqueName(),
    });
    const ids = [`\n${CANARY}`, CANARY.repeat(100), `\ud800${CANARY}`, { [CANARY]: 1 } as never];
    for (const userId of ids) {
      for (const call of [
        () => sessions.saveUserState({ tenantId: CANARY, userId }, state),
        () => sessions.getUserState({ tenantId: userId, userId: CANARY }),
        () => sessions.getTenantInfo(userId, () => 1),
      ]) {
        expectClean(await call().catch((error: unknown) => error));
      }
    }
    for (const refused of [
      { pin: `${CANARY}\0` },
      { pin: BigInt(7), other: CANARY },
      {
        get pin() {
          return throwSecrets();
        },
      },
    ]) {
      expectClean(await sessions.saveUserState(ref, refused).catch((error: unknown) => error));
    }
    const opId = { opId: `${CANARY} ` };
    expectClean(await sessions.saveUserState(ref, state, opId).catch((error: unknown) => error));
  });
});

describe('no log line of the consumer and no word of the CLI holds a password', () => {
  it('that is wrong', async () => {
    const server = await redisWithPassword();
    const redis = `redis://default:${CANARY}@127.0.0.1:${server.port}`;
    const { databaseUrl: database, settings } = await createPipeline();
    const { logger, lines } = capture();
    const sync = startPeriodicSync({ redis, database, settings, logger });
    onTestFinished(() => sync.stop());
    await eventually(() => expect(sync.consumer.readiness.reason).not.toBe('opening'));
    expectClean([lines, sync.consumer.readiness]);
    expect(lines.length).toBeGreaterThan(0);
    expectClean(await syncToDB({ redis, database, settings }).catch((error: unknown) => error));
    const cli = await createCli();
    const env = { ...cli.env, REDIS_URL: redis };
    for (const args of [['status'], ['drain'], ['verify'], ['pending']]) {
      const { code, stdout, stderr } = await cli.run([...args, '--debug', '--json'], {
        env,
        connectTimeoutMs: 300,
      });
      expect([code, stdout + stderr]).toEqual([4, expect.not.stringContaining(CANARY)]);
    }
  });

  it('that PostgreSQL quotes when a consumer starts', async () => {
    const { pool, table, redisUrl: redis, databaseUrl: database, settings } = await createPipeline();
    const schema = `"${settings.SESSION_DB_SCHEMA}"`;
    await pool.query(`
      CREATE FUNCTION ${schema}.refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION '${CANARY}' USING DETAIL = '${CANARY}'; END $$;
      CREATE TRIGGER refuse BEFORE INSERT ON ${companion(table, 'layout')}
        FOR EACH ROW EXECUTE FUNCTION ${schema}.refuse()`);
    const { logger, lines } = capture();
    const error: unknown = await syncToDB({ redis, database, settings, logger }).catch((thrown) => thrown);
    expect(isCauceError(error)).toBe(true);
    const sync = startPeriodicSync({ redis, database, settings, logger });
    onTestFinished(() => sync.stop());
    await eventually(() => expect(sync.consumer.readiness.reason).not.toBe('opening'));
    expectClean([error, lines, sync.consumer.readiness]);
  });

  it.each([
    ['REDIS_URL', `redis://u:12#${CANARY}@h:1`],
    ['REDIS_URL', `redis://u:12/${CANARY}@h:1`],
    ['REDIS_URL', `redis://u:%zz${CANARY}@h:1`],
    ['REDIS_URL', `redis://u:${CANARY}@h:99999`],
    ['REDIS_URL', `redis://u:${CANARY}@h/null`],
    ['REDIS_URL', `redis+sentinel://u:${CANARY}@h:1`],
    ['REDIS_URL', `redis+cluster://u:${CANARY}@h:x`],
    ['DATABASE_URL', `postgres://u:12#${CANARY}@h/db`],
    ['DATABASE_URL', `postgres://u:x#${CANARY}@h/db`],
    ['DATABASE_URL', `postgres://u:12/${CANARY}@h/db`],
    ['DATABASE_URL', `postgres://u:${CANARY}@h:99999/db`],
    ['DATABASE_URL', `postgres://u:${CANARY}@h/%a`],
    ['DATABASE_URL', `postgres://u:${CANARY}@h1:1,h2:2/db`],
    ['DATABASE_URL', `postgres://u:${CANARY}@h/db?sslrootcert=/nowhere/ca.pem`],
    ['DATABASE_URL', `postgres://u:${CANARY}@h/db?sslmode=verify_full`],
    ['DATABASE_URL', `postgres://u:${CANARY}@h/db?query_timeout=0`],
    ['DATABASE_URL', `postgres://u:${CANARY}@h/db?client_encoding=LATIN1`],
    ['DATABASE_URL', `postgres://u:${CANARY}@h/db?sslpassword=${CANARY}`],
  ])('when %s is the broken %s: exit 2, the setting named, the value masked', async (name, url) => {
    const pipeline = await createPipeline({ migrated: false });
    const env = { [name]: url };
    const child = await spawnCauceSync(pipeline, env);
    expect([(await child.exit).code, child.output()]).toEqual([
      2,
      expect.stringMatching(`${name} is \\*\\*\\*`),
    ]);
    expect(child.output()).not.toContain(CANARY);
    const cli = await createCli({ migrated: false });
    const { code, stderr, stdout } = await cli.run(['drain', '--debug', '--json'], {
      env: { ...cli.env, ...env },
    });
    expect([code, stderr]).toEqual([2, expect.stringMatching(`${name}.* is \\*\\*\\*`)]);
    expect(stdout + stderr).not.toContain(CANARY);
    const options = {
      redis: name === 'REDIS_URL' ? url : pipeline.redisUrl,
      database: name === 'DATABASE_URL' ? url : pipeline.databaseUrl,
    };
    const thrown = (open: () => unknown): unknown => {
      try {
        return open();
      } catch (error) {
        expect(isCauceError(error)).toBe(true);
        return error;
      }
    };
    const errors = [
      thrown(() => startPeriodicSync(options)),
      name === 'REDIS_URL'
        ? thrown(() => createSessionClient({ redis: url }))
        : thrown(() => createPostgresLoader({ databaseUrl: url })),
    ];
    for (const error of errors) expect(error).toMatchObject({ code: 'INVALID_OPTION' });
    expectClean(errors);
  });
});
