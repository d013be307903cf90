import { expect, test } from 'vitest';
import { CANARY, type Cli, createCli, secretState, user } from './cli.ts';

const ana = user('ana');

/** Ana's session is parked: PostgreSQL refuses its state. */
async function withParked(): Promise<Cli & { version: string }> {
  const cli = await createCli();
  await cli.refusePoison();
  const version = await cli.save(ana, secretState({ poison: true }));
  expect((await cli.run(['drain', '--deadline', '10s'])).code).toBe(3);
  return { ...cli, version };
}

interface Listed {
  total: number;
  sessions: { session: string; record: Record<string, unknown> }[];
}

test('list names session, SQLSTATE and attempts, and exits 3', async () => {
  const cli = await withParked();
  const { code, json } = await cli.runJson(['parked', 'list']);
  expect(code).toBe(3);
  const { total, sessions } = json as unknown as Listed;
  expect(total).toBe(1);
  expect(sessions[0]).toMatchObject({
    session: 'acme:ana',
    tenantId: 'acme',
    userId: 'ana',
    record: { version: cli.version, sqlState: '23514', attempts: 1 },
  });
  expect((await cli.run(['parked', 'list'])).stdout).toMatch(/acme:ana +23514 +1 /);
});

test('nothing parked exits 0', async () => {
  const cli = await createCli();
  expect(await cli.run(['parked', 'list'])).toMatchObject({ code: 0, stdout: 'Nothing is parked.\n' });
});

test('show tells what both stores hold, and the state only when asked to', async () => {
  const cli = await withParked();
  const { code, json } = await cli.runJson(['parked', 'show', 'acme:ana']);
  expect(code).toBe(0);
  expect(json).toMatchObject({
    session: 'acme:ana',
    record: { sqlState: '23514' },
    redis: {
      version: cli.version,
      isParkedVersion: true,
      isTombstone: false,
      sizeBytes: JSON.stringify(secretState({ poison: true })).length,
    },
    row: null,
  });
  expect(json).not.toHaveProperty('state');
  await expect(cli.run(['parked', 'show', 'acme:ana', '--include-state'])).rejects.toThrow(CANARY);
});

test('show works while PostgreSQL is away', async () => {
  const cli = await withParked();
  const { code, json } = await cli.runJson(['parked', 'show', 'acme:ana'], {
    env: { ...cli.env, DATABASE_URL: 'postgres://cauce@127.0.0.1:1/x' },
  });
  expect(code).toBe(0);
  expect(json).toMatchObject({
    rowProblem: expect.stringContaining('ECONNREFUSED at 127.0.0.1:1: nothing listens there'),
    redis: { version: cli.version },
  });
});

test('show and retry of a session that is not parked exit 1', async () => {
  const cli = await createCli();
  for (const args of [
    ['parked', 'show', 'bob'],
    ['parked', 'retry', 'bob'],
    ['parked', 'discard', 'bob', '--yes'],
  ]) {
    const { code, stderr } = await cli.run(args);
    expect([code, stderr]).toEqual([1, expect.stringContaining('default:bob is not parked')]);
  }
});

test('retry syncs it before its time once the cause is mended', async () => {
  const cli = await withParked();
  await cli.acceptPoison();
  const { code, json } = await cli.runJson(['parked', 'retry', 'acme:ana']);

  expect(code).toBe(0);
  expect(json).toMatchObject({
    sessions: [{ session: 'acme:ana', outcome: 'synced' }],
    report: { written: 1 },
  });
  expect((await cli.row(ana))?.version).toBe(cli.version);
  expect(await cli.countDirty()).toBe(0);
  expect((await cli.run(['parked', 'list'])).code).toBe(0);
});

test('retry of one that is refused still exits 3 and counts the attempt', async () => {
  const cli = await withParked();
  const { code, json } = await cli.runJson(['parked', 'retry', '--all']);
  expect(code).toBe(3);
  expect(json).toMatchObject({ sessions: [{ outcome: 'parked', sqlState: '23514' }] });
  const { sessions } = (await cli.runJson(['parked', 'list'])).json as unknown as Listed;
  expect(sessions[0]?.record).toMatchObject({ attempts: 2 });
  expect(sessions[0]?.record.retryAtMs).toBeGreaterThan(Date.now() + 20_000);
});

test('retry touches nothing but the named session', async () => {
  const cli = await withParked();
  await cli.acceptPoison();
  await cli.save(user('waiting'), secretState());
  await cli.run(['parked', 'retry', 'acme:ana']);
  expect(await cli.row(ana)).toBeDefined();
  expect(await cli.row(user('waiting'))).toBeUndefined();
  expect(await cli.countEvents()).toBe(1);
});

test('retry of a session that was saved since syncs the newer state', async () => {
  const cli = await withParked();
  const version = await cli.save(ana, secretState({ step: 'fine' }));
  const { code } = await cli.run(['parked', 'retry', 'acme:ana']);
  expect(code).toBe(0);
  expect(await cli.row(ana)).toMatchObject({ version, state: { step: 'fine' } });
});

test('a dry run of retry changes nothing', async () => {
  const cli = await withParked();
  const { partition, key } = cli.keyspace.locate(ana);
  const before = await cli.redis.hget(cli.keyspace.parked(partition), key);
  const { code, stdout } = await cli.run(['parked', 'retry', '--all', '--dry-run']);
  expect([code, stdout]).toEqual([0, expect.stringContaining('would retry')]);
  expect(await cli.redis.hget(cli.keyspace.parked(partition), key)).toBe(before);
});

test('retry while PostgreSQL is away exits 4 and leaves the record as it was', async () => {
  const cli = await withParked();
  const { partition, key } = cli.keyspace.locate(ana);
  const before = await cli.redis.hget(cli.keyspace.parked(partition), key);
  const { code } = await cli.run(['parked', 'retry', '--all', '--patience', '200ms'], {
    env: { ...cli.env, DATABASE_URL: 'postgres://cauce@127.0.0.1:1/x' },
  });
  expect(code).toBe(4);
  expect(await cli.redis.hget(cli.keyspace.parked(partition), key)).toBe(before);
});

test('retry wants one session or --all', async () => {
  const cli = await createCli();
  expect((await cli.run(['parked', 'retry'])).code).toBe(2);
  expect((await cli.run(['parked', 'retry', 'acme:ana', '--all'])).code).toBe(2);
});

test('discard needs --yes where nobody can be asked, or a yes', async () => {
  const cli = await withParked();
  const refused = await cli.run(['parked', 'discard', 'acme:ana']);
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('--yes')]);
  const declined = await cli.run(['parked', 'discard', 'acme:ana'], { confirm: async () => false });
  expect(declined.code).toBe(1);
  const dry = await cli.run(['parked', 'discard', 'acme:ana', '--dry-run']);
  expect([dry.code, dry.stdout]).toEqual([0, `Would discard version ${cli.version} of acme:ana.\n`]);
  expect(await cli.countDirty()).toBe(1);

  const { code, json } = await cli.runJson(['parked', 'discard', 'acme:ana', '--yes']);
  expect(code).toBe(0);
  expect(json).toMatchObject({ outcome: 'discarded', version: cli.version });
  expect(await cli.countDirty()).toBe(0);
  expect(await cli.redis.exists(cli.keyspace.locate(ana).key)).toBe(0);
});

test.each(['half a header', 'a list'])('discard leaves %s alone, and says what to do', async (what) => {
  const cli = await withParked();
  const { key } = cli.keyspace.locate(ana);
  if (what === 'a list') await cli.redis.multi().del(key).rpush(key, 'x').exec();
  else await cli.redis.hset(key, 'm', '5 10 5-5');
  const before = await cli.redis.dump(key);
  const dry = await cli.run(['parked', 'discard', 'acme:ana', '--dry-run']);
  expect([dry.code, dry.stdout]).toEqual([3, expect.stringContaining('nothing would be changed')]);
  const { code, stdout } = await cli.run(['parked', 'discard', 'acme:ana', '--yes']);
  expect([code, stdout]).toEqual([3, expect.stringContaining('is not a session')]);
  expect([await cli.redis.dump(key), await cli.countDirty()]).toEqual([before, 1]);
  await cli.redis.del(key);
  expect((await cli.run(['parked', 'discard', 'acme:ana', '--yes'])).code).toBe(0);
  expect(await cli.countDirty()).toBe(0);
});

test('discard leaves a session alone that was saved since', async () => {
  const cli = await withParked();
  await cli.save(ana, secretState({ step: 'newer' }));
  const { code, stdout } = await cli.run(['parked', 'discard', 'acme:ana', '--yes']);
  expect([code, stdout]).toEqual([3, expect.stringContaining('was saved since')]);
  expect(await cli.countDirty()).toBe(1);
});
