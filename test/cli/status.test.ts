import { stripVTControlCharacters } from 'node:util';
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { eventually } from '../helpers/eventually.ts';
import { type Cli, createCli, secretState, user } from './cli.ts';

/** Every leaf as the name of its type, so that the shape is compared and not the numbers. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shapeOf);
  if (value === null || typeof value !== 'object') return value === null ? 'null' : typeof value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, shapeOf(inner)]));
}

test('dirty sessions without a consumer exit 3; the JSON has its documented shape', async () => {
  const cli = await createCli();
  await cli.save(user('ana'), secretState());
  // By now the script is known to the server, so this one is an EVALSHA that succeeds.
  await cli.save(user('ana'), secretState());
  const { code, json } = await cli.runJson(['status', '--sample', '50ms']);

  expect(code).toBe(3);
  expect(json).toMatchObject({
    v: 1,
    command: 'status',
    sync: { dirtySessions: 1, streamEvents: 1, pendingEvents: 0, parkedSessions: 0 },
    postgres: { state: 'up' },
    problems: [{ code: 'NO_CONSUMER' }],
  });
  const { warnings: _, postgres: __, ...shaped } = json;
  expect(shapeOf(shaped)).toMatchInlineSnapshot(`
    {
      "atMs": "number",
      "command": "string",
      "consumers": [],
      "problems": [
        {
          "code": "string",
          "message": "string",
        },
      ],
      "redis": {
        "isAppendOnly": "boolean",
        "maxMemoryBytes": "number",
        "maxMemoryPolicy": "string",
        "scriptMeanMs": "number",
        "scriptP99Ms": "number",
        "usedMemoryBytes": "number",
        "version": "string",
        "writesPerSecond": "number",
      },
      "sync": {
        "dirtySessions": "number",
        "failedSyncs": "number",
        "lastSyncAtMs": "null",
        "lastSyncDurationMs": "null",
        "oldestDirtyAgeMs": "number",
        "parkedSessions": "number",
        "pendingEvents": "number",
        "streamEvents": "number",
      },
      "v": "number",
    }
  `);
});

test('with a consumer at work there is no problem, and the last sync is known', async () => {
  const cli = await createCli();
  await cli.save(user('ana'), secretState());
  cli.startSync({}, { registry: new Registry() });
  await eventually(async () => expect(await cli.countDirty()).toBe(0));

  await eventually(async () => {
    const { code, json } = await cli.runJson(['status', '--sample', '0ms']);
    expect(code).toBe(0);
    expect(json).toMatchObject({
      sync: { dirtySessions: 0, lastSyncDurationMs: expect.any(Number), failedSyncs: 0 },
      consumers: [{ state: 'running' }],
      problems: [],
    });
  });
});

test('counts the saves of the sample', async () => {
  const cli = await createCli();
  let isDone = false;
  const running = cli.runJson(['status', '--sample', '500ms']).finally(() => {
    isDone = true;
  });
  const startedAtMs = performance.now();
  let saves = 0;
  for (; !isDone; saves++) await cli.save(user(`u${saves % 100}`), secretState());
  const ownRate = (saves * 1000) / (performance.now() - startedAtMs);
  const { json } = await running;
  const { writesPerSecond } = json.redis as { writesPerSecond: number };
  // Other tests write to the same server.
  expect(writesPerSecond).toBeGreaterThan(ownRate / 2);
});

test('a consumer that was live an hour ago by the clock that is handed in is gone', async () => {
  const cli = await createCli();
  cli.startSync();
  const states = async (context = {}): Promise<unknown> => {
    const { consumers } = (await cli.runJson(['status', '--sample', '0ms'], context)).json;
    return (consumers as readonly { readonly state: string }[]).map(({ state }) => state);
  };
  await eventually(async () => expect(await states()).toEqual(['running']));
  expect(await states({ nowMs: () => Date.now() + 3_600_000 })).toEqual(['gone']);
});

test('a consumer that is gone is marked and does not count', async () => {
  const cli = await createCli();
  await cli.save(user('ana'), secretState());
  const heartbeat = {
    consumer: 'old',
    startedAtMs: 1,
    seenAtMs: Date.now() - 60_000,
    state: 'running',
    syncs: 1,
    failedSyncs: 7,
  };
  await cli.redis.hset(cli.keyspace.consumers(), 'old', JSON.stringify(heartbeat));
  const { code, json } = await cli.runJson(['status', '--sample', '0ms']);
  expect(code).toBe(3);
  expect(json).toMatchObject({ consumers: [{ consumer: 'old', state: 'gone' }], sync: { failedSyncs: 0 } });
});

test('works while PostgreSQL is away, and says so', async () => {
  const cli = await createCli();
  const { code, stdout } = await cli.run(['status', '--sample', '0ms'], {
    env: { ...cli.env, DATABASE_URL: 'postgres://cauce:canary-7f3b1e@127.0.0.1:1/x' },
  });
  expect(code).toBe(3);
  expect(stdout).toContain('problem: PostgreSQL is away: ECONNREFUSED');
});

test('works without DATABASE_URL', async () => {
  const cli = await createCli();
  const { DATABASE_URL: _, ...env } = cli.env;
  const { code, json } = await cli.runJson(['status', '--sample', '0ms'], { env });
  expect(code).toBe(0);
  expect(json).toMatchObject({ postgres: { state: 'not_configured' } });
});

test('missing tables, parked sessions and a lag above the limit are problems', async () => {
  const unmigrated = await createCli({ migrated: false });
  expect((await unmigrated.runJson(['status', '--sample', '0ms'])).json).toMatchObject({
    postgres: { state: 'unmigrated' },
    problems: [{ code: 'POSTGRES_MISCONFIGURED', message: expect.stringContaining('cauce migrate') }],
  });

  const cli = await createCli();
  await cli.refusePoison();
  await cli.save(user('ana'), secretState({ poison: 1 }));
  await cli.run(['drain', '--deadline', '10s']);
  const { code, json } = await cli.runJson(['status', '--sample', '0ms', '--max-lag', '1ms']);
  expect(code).toBe(3);
  expect((json.problems as { code: string }[]).map(({ code }) => code)).toEqual([
    'NO_CONSUMER',
    'PARKED',
    'LAG',
  ]);
});

test('another partition count is refused, because every number would be wrong', async () => {
  const cli = await createCli();
  await cli.save(user('ana'), secretState());
  await cli.run(['drain']);
  const { code, stderr } = await cli.run(['status', '--partitions', '8']);
  expect([code, stderr]).toEqual([2, expect.stringContaining('4 partitions')]);
});

test('an unused key prefix is pointed out', async () => {
  const cli = await createCli();
  const { stdout } = await cli.run(['status', '--sample', '0ms', '--key-prefix', 'typo']);
  expect(stdout).toContain('Nothing was written under the key prefix "typo" yet');
});

test('--watch prints a line each time until it is interrupted; JSON Lines with --json', async () => {
  const cli = await createCli();
  for (const flags of [[], ['--json']]) {
    const interrupt = new AbortController();
    let looks = 0;
    const running = cli.run(['status', '--watch', '0.1', '--sample', '0ms', ...flags], {
      signal: interrupt.signal,
      onStdout: () => ++looks === 3 && interrupt.abort(),
    });
    const { code, stdout, stderr } = await running;
    // To leave it in this way is no error.
    expect([code, stderr]).toEqual([130, '']);
    const lines = stdout.trim().split('\n');
    expect(lines.length).toBeGreaterThan(2);
    for (const line of lines) {
      if (flags.length > 0) expect(JSON.parse(line)).toMatchObject({ v: 1, command: 'status' });
      else expect(line).toMatch(/^\S+Z {2}writes \?\/s {2}dirty 0 /);
    }
  }
});

/** What two looks write to a terminal. */
async function watchTwice(cli: Cli, terminal: { columns?: number; env?: Cli['env'] }): Promise<string[]> {
  const interrupt = new AbortController();
  let looks = 0;
  const { stdout } = await cli.run(['status', '--watch', '0.1', '--sample', '0ms'], {
    signal: interrupt.signal,
    onStdout: () => ++looks === 3 && interrupt.abort(),
    isTTY: true,
    ...terminal,
  });
  return stdout.split('\u001b[J').slice(0, 2);
}

test('--watch redraws in place on a terminal, over every row it took', async () => {
  const cli = await createCli();
  for (const columns of [200, 20]) {
    const [first = ''] = await watchTwice(cli, { columns });
    const at = first.lastIndexOf('\u001b[');
    const [drawn, up] = [first.slice(0, at).trimEnd(), first.slice(at + 2, -2)];
    const rows = stripVTControlCharacters(drawn)
      .split('\n')
      .map(({ length }) => Math.max(1, Math.ceil(length / columns)));
    expect(Number(up)).toBe(rows.reduce((sum, one) => sum + one, 0));
  }
});

test('--watch moves no cursor on a dumb terminal', async () => {
  const cli = await createCli();
  const [all = ''] = await watchTwice(cli, { env: { ...cli.env, TERM: 'dumb' } });
  expect(all).not.toContain('\u001b');
  expect(all.trim().split('\n').length).toBeGreaterThan(1);
});

test('what somebody else wrote under the keys of Cauce neither fails it nor steers the terminal', async () => {
  const cli = await createCli();
  const { redis, keyspace } = cli;
  await redis.hset(keyspace.consumers(), {
    junk: 'no JSON',
    forged: JSON.stringify({
      ...{ consumer: '\u001b[2Jx', state: 'away', problem: '\u001b[31mred', seenAtMs: Date.now() },
      ...{ startedAtMs: 1, syncs: 0, failedSyncs: 0 },
    }),
  });
  const before = await redis.hgetall(keyspace.consumers());
  const { code, stdout } = await cli.run(['status', '--sample', '0ms']);
  expect(code).toBe(3);
  expect(stdout).toContain(`Of the fields of ${keyspace.consumers()}, 1 cannot be read`);
  expect(stdout).toContain('red');
  expect(stdout).not.toContain('\u001b');
  expect(await redis.hgetall(keyspace.consumers())).toEqual(before);

  await redis.hset(keyspace.meta(0), 'partitions', '\u001b[2J4', 'hash', 'x', 'protocol', '1');
  const refused = await cli.run(['pending']);
  expect(refused.code).toBe(2);
  expect(refused.stderr).not.toContain('\u001b');
});
