import { createSessionClient } from '@cauce/session-client';
import { createDirectSessions, createPostgresLoader } from '@cauce/session-client/postgres';
import { createLogger } from '@cauce/sync-consumer';
import type { Redis } from 'ioredis';
import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { createCli, user } from '../cli/cli.ts';
import { type ScriptMethod, scriptCases, scriptMethods } from '../contract/lua/script-cases.ts';
import { createWorld } from '../contract/lua/world.ts';
import { eventually } from '../helpers/eventually.ts';
import { connectRedis, isolatedRedis } from '../helpers/isolated.ts';
import { ownEverySlot } from '../helpers/one-node-cluster.ts';
import { type RedisUser, redisWithUsers, schemaWithRoles } from '../helpers/shipped-users.ts';
import { storeMode } from '../helpers/writer-mode.ts';

/** As the shipped list spells the keys. */
const keyPrefix = 'sess';
const DENIED = /NOPERM|42501|permission/;

test('a bot, a consumer and every command work with the shipped users and roles, and nothing is denied', async () => {
  const { urlFor } = await redisWithUsers();
  const { schema, urlFor: databaseFor } = await schemaWithRoles();
  const cli = await createCli({ redisUrl: urlFor('admin'), keyPrefix, migrated: false });
  const settings = { ...cli.settings, SESSION_DB_SCHEMA: schema };
  const env = {
    ...cli.env,
    REDIS_URL: urlFor('ops'),
    DATABASE_URL: databaseFor('consumer'),
    SESSION_DB_SCHEMA: schema,
  };
  const startSync = () =>
    cli.startSync(settings, { redis: urlFor('sync'), database: databaseFor('consumer') });
  const loader = createPostgresLoader({ databaseUrl: databaseFor('loader'), schema });
  const sessions = createSessionClient<{ n: number }>({
    redis: urlFor('bot'),
    keyPrefix,
    partitions: 4,
    loader,
    tenantBudgetBytes: 1_000_000_000,
  });
  onTestFinished(() => Promise.all([sessions.close(), loader.close()]).then(() => {}));
  const refs = Array.from({ length: 100 }, (_, n) => user(`u${n}`));
  const [first = user(''), second = user('')] = refs;
  const synced = (): Promise<void> =>
    eventually(async () => expect([await cli.countDirty(), await cli.countEvents()]).toEqual([0, 0]), 20_000);

  // The bot.
  await Promise.all(refs.map((ref, n) => sessions.saveUserState(ref, { n })));
  await sessions.updateUserState(first, (state) => ({ n: (state?.n ?? 0) + 1 }));
  await sessions.updateUserState(user('new'), (state) => ({ n: (state?.n ?? 0) + 1 }));
  await sessions.clearUserState(second);
  await sessions.saveUserState(second, { n: 1 }, { durability: 'postgres' });
  await expect(sessions.saveUserState(second, { n: 2 }, { durability: 'replica' })).rejects.toThrow(
    /replica/,
  );
  expect(await sessions.getTenantInfo('acme', async () => ({ plan: 'free' }))).toEqual({ plan: 'free' });
  await sessions.invalidateTenant('acme');

  // The consumer, started twice; the second one takes over what a dead one left.
  const consumer = startSync();
  await synced();
  await consumer.stop();
  await Promise.all(refs.map((ref, n) => sessions.saveUserState(ref, { n: n + 100 })));
  await cli.abandon('dead');
  const other = startSync();
  await synced();
  await other.consumer.sweep(0);
  await other.stop();
  // What left Redis is restored from PostgreSQL.
  await cli.redis.del(cli.keyspace.locate(first).key);
  expect(await sessions.getUserState(first)).toEqual({ n: 100 });

  // The commands.
  const run = async (code: number, ...args: string[]): Promise<void> => {
    const ended = await cli.run(args, { env });
    const printed = ended.stdout + ended.stderr;
    expect([ended.code, printed], args.join(' ')).toEqual([code, expect.not.stringMatching(DENIED)]);
  };
  const table = `"${schema}".session`;
  const refuse = `ALTER TABLE ${table} ADD CONSTRAINT refuse CHECK (state->>'n' <> '-1')`;
  const accept = `ALTER TABLE ${table} DROP CONSTRAINT refuse`;
  await cli.pool.query(refuse);
  await sessions.saveUserState(first, { n: -1 });
  await sessions.saveUserState(second, { n: -1 });
  await run(3, 'drain', '--deadline', '10s');
  await run(3, 'parked', 'list');
  await run(0, 'parked', 'show', 'acme:u0');
  await run(0, 'parked', 'discard', 'acme:u1', '--yes');
  await cli.pool.query(accept);
  await run(0, 'parked', 'retry', '--all');
  // A row that differs, and one that is newer.
  await cli.pool.query(`UPDATE ${table} SET state = '{"n":7}' WHERE user_id = 'u2'`);
  await cli.pool.query(`UPDATE ${table} SET version = version + 1000000000 WHERE user_id = 'u3'`);
  await run(0, 'verify', '--repair');
  await cli.pool.query(`UPDATE ${table} SET version = version + 1000000000 WHERE user_id = 'u4'`);
  await sessions.saveUserState(user('u4'), { n: 5 });
  await cli.abandon('dead');
  await run(0, 'pending');
  await run(0, 'replay', '--min-idle', '0ms', '--consumer', 'dead');
  await run(0, 'drain');
  await run(0, 'resync', '--since', '1h');
  await run(0, 'drain');
  await run(0, 'purge', '--yes');
  await run(0, 'status', '--sample', '0ms');
  const asWatcher = { env: { ...env, REDIS_URL: urlFor('watch') } };
  const watched = await cli.run(['status', '--sample', '0ms'], asWatcher);
  expect([watched.code, watched.stderr]).toEqual([0, '']);
  expect(watched.stdout).not.toContain('append-only file leaves out');

  // Direct saves.
  await storeMode(cli.pool, { schema, partitions: 4, mode: 'direct' });
  const direct = createDirectSessions({ databaseUrl: databaseFor('loader'), schema, partitions: 4 });
  onTestFinished(() => direct.close());
  await direct.saveUserState(first, { n: 9 });
  await direct.clearUserState(first);
  expect(await direct.getUserStates([first, user('u2')])).toEqual([undefined, expect.anything()]);

  expect(await denials(cli.redis)).toEqual([]);
});

test('P1 a clean restart brings back every session that was saved under the shipped users', async () => {
  const { server, urlFor } = await redisWithUsers();
  const sessions = createSessionClient<number>({ redis: urlFor('bot'), keyPrefix });
  onTestFinished(() => sessions.close());
  const refs = Array.from({ length: 100 }, (_, n) => user(`u${n}`));
  await Promise.all(refs.map((ref, n) => sessions.saveUserState(ref, n)));
  await server.restart();
  const loaded = await eventually(() => sessions.getUserStates(refs));
  expect(loaded).toEqual(refs.map((_, n) => n));
});

/**
 * Without those of CLIENT SETINFO, which Redis 7.0 does not know and no list for it can grant; nothing depends on it.
 */
async function denials(redis: Redis): Promise<unknown[]> {
  const log = (await redis.acl('LOG')) as unknown[];
  return log.filter((entry) => !String(entry).includes('client|setinfo'));
}

const userOf: Partial<Record<ScriptMethod, RedisUser>> = {
  save: 'bot',
  lease: 'bot',
  restore: 'bot',
  confirm: 'bot',
  cacheTenant: 'bot',
  discard: 'ops',
  install: 'bot',
  seal: 'ops',
};

test('every script runs as the user whose it is', async () => {
  const { urlFor } = await redisWithUsers();
  const isolated = isolatedRedis({ url: urlFor('admin'), keyPrefix, partitions: 1 });
  const { redis } = isolated;
  for (const method of scriptMethods) {
    await redis.flushall();
    await redis.auth('admin', 'pw');
    const { prepare, run } = scriptCases(createWorld(isolated))[method];
    await prepare();
    await redis.auth(userOf[method] ?? 'sync', 'pw');
    await run().catch((error: unknown) => expect.fail(`${method}: ${error}`));
    await redis.auth('admin', 'pw');
  }
  expect(await denials(redis)).toEqual([]);
});

test('bot and consumer work with the shipped users in a cluster too', async () => {
  const { urlFor } = await redisWithUsers(undefined, [
    '--cluster-enabled',
    'yes',
    '--cluster-announce-ip',
    '127.0.0.1',
  ]);
  const admin = connectRedis(urlFor('admin'));
  await ownEverySlot(admin);
  const clusterUrl = (name: RedisUser): string => urlFor(name).replace('redis:', 'redis+cluster:');
  const cli = await createCli({ redisUrl: urlFor('admin'), keyPrefix });
  const sessions = createSessionClient({ redis: clusterUrl('bot'), keyPrefix, partitions: 4 });
  onTestFinished(() => sessions.close());
  await sessions.saveUserState(user('ana'), 'hello');
  cli.startSync({}, { redis: clusterUrl('sync') });
  await eventually(async () => expect(await cli.row(user('ana'))).toMatchObject({ state: 'hello' }));
  expect(await denials(admin)).toEqual([]);
});

test('the users of Redis may do nothing else', async () => {
  const { urlFor } = await redisWithUsers();
  const key = 'sess:{0}:s:acme:ana';
  const refused: [RedisUser, string, string[]][] = [
    ['bot', 'FLUSHALL', []],
    ['bot', 'CONFIG', ['GET', '*']],
    ['bot', 'GET', ['somebody:else']],
    ['bot', 'XREADGROUP', ['GROUP', 'sync', 'c', 'STREAMS', 'sess:{0}:changes', '>']],
    ['bot', 'HSET', ['sess:consumers', 'c', '{}']],
    ['sync', 'FLUSHALL', []],
    ['sync', 'GET', ['sess:{tenant:acme}:info']],
    ['ops', 'ACL', ['SETUSER', 'ops', '+@all']],
    ['watch', 'HGETALL', [key]],
    ['watch', 'HDEL', ['sess:consumers', 'c']],
    ['watch', 'XADD', ['sess:{0}:changes', '*', 'k', key]],
  ];
  for (const [name, command, args] of refused) {
    const call = connectRedis(urlFor(name)).call(command, ...args);
    await expect(call, `${name} ${command}`).rejects.toThrow(/^NOPERM/);
  }
  await expect(connectRedis(urlFor('bot').replace('bot:pw@', '')).ping()).rejects.toThrow(/NOAUTH/);
});

test('the roles of PostgreSQL may do nothing else', async () => {
  const { schema, urlFor } = await schemaWithRoles();
  const refused = {
    consumer: [
      `TRUNCATE ${schema}.session`,
      `ALTER TABLE ${schema}.session ADD COLUMN extra int`,
      `CREATE TABLE ${schema}.other (n int)`,
      `UPDATE ${schema}.session_layout SET partitions = 1`,
      `SELECT * FROM ${schema}.session_migration`,
    ],
    loader: [
      `DELETE FROM ${schema}.session`,
      `SELECT * FROM ${schema}.session_conflict`,
      `UPDATE ${schema}.session_layout SET partitions = 1`,
      `UPDATE ${schema}.session_mode SET mode = 'direct'`,
      `CREATE TABLE ${schema}.other (n int)`,
    ],
    migrator: ['CREATE ROLE another', `DROP SCHEMA ${schema}`],
  };
  for (const [role, statements] of Object.entries(refused)) {
    const client = new pg.Client({ connectionString: urlFor(role as keyof typeof refused) });
    await client.connect();
    onTestFinished(() => client.end());
    for (const statement of statements) {
      await expect(client.query(statement), `${role}: ${statement}`).rejects.toMatchObject({ code: '42501' });
    }
  }
});

test('a user default without rights is reported, for a restart would lose what the append-only file holds', async () => {
  const bare = (acl: string): string => acl.replace(/^user default.*$/m, 'user default off');
  const { urlFor } = await redisWithUsers(bare);
  const cli = await createCli({ redisUrl: urlFor('admin'), keyPrefix });
  let log = '';
  const logger = createLogger('info', {
    write: (line: string) => {
      log += line;
    },
  });
  cli.startSync({}, { redis: urlFor('sync'), logger });
  await eventually(() => expect(log).toContain('A restart of Redis may lose every session'));
  await eventually(() => expect(log).toContain('syncing sessions'));
  const env = { ...cli.env, REDIS_URL: urlFor('watch') };
  expect((await cli.run(['status', '--sample', '0ms'], { env })).stdout).toContain(
    'user default off ~* &* +@all',
  );
  // Whoever may not ask does not know, and nothing else fails.
  await cli.redis.acl('SETUSER', 'watch', '-acl|dryrun');
  const unasked = await cli.run(['status', '--sample', '0ms'], { env });
  expect([unasked.code, unasked.stdout]).toEqual([0, expect.not.stringContaining('user default off')]);
});
