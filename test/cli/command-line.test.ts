import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { spawnNode, spawnProcess } from '@cauce/dev-services';
import { expect, onTestFinished, test } from 'vitest';
import { CANARY, createCli, secretState, user } from './cli.ts';

const MAIN = join(import.meta.dirname, '../../packages/cli/dist/main.js');
const COMMANDS = [
  ['status'],
  ['pending'],
  ['replay'],
  ['parked', 'list'],
  ['parked', 'show'],
  ['parked', 'retry'],
  ['parked', 'discard'],
  ['drain'],
  ['verify'],
  ['migrate'],
  ['purge'],
];

function runProcess(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const options = { env: { PATH: process.env.PATH ?? '', ...env } };
    execFile(process.execPath, [MAIN, ...args], options, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
    });
  });
}

test('every command explains itself with examples and exit codes', async () => {
  const helps = await Promise.all([[], ...COMMANDS].map((command) => runProcess([...command, '--help'])));
  for (const { code, stdout, stderr } of helps) {
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/Examples:\n {2}\$ cauce /);
    expect(stdout).toMatch(/Exit codes:\n {2}0 /);
    expect(stdout).toContain('--redis-url');
  }
  expect((await runProcess(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test('the process exits with the code of the command', async () => {
  const cli = await createCli();
  await cli.save(user('ana'), secretState());
  const [problem, configuration, unreachable, ok] = await Promise.all([
    runProcess(['status', '--sample', '0ms'], cli.env),
    runProcess(['drain']),
    runProcess(['pending'], { REDIS_URL: 'redis://127.0.0.1:1' }),
    runProcess(['pending', '--json'], cli.env),
  ]);
  expect([problem.code, configuration.code, unreachable.code, ok.code]).toEqual([3, 2, 4, 0]);
  expect(JSON.parse(ok.stdout)).toMatchObject({ v: 1 });
  expect(unreachable.stderr).toContain('ECONNREFUSED');
  for (const { stdout, stderr } of [problem, configuration, unreachable, ok]) {
    expect(stdout + stderr).not.toContain(CANARY);
  }
});

test('all wrong settings are listed at once, with their flags, secrets masked', async () => {
  const cli = await createCli();
  const { code, stderr, stdout } = await cli.run(['drain', '--partitions', '3', '--json'], {
    env: { DATABASE_URL: `mysql://u:${CANARY}@h/db`, SESSION_DB_TABLE: 'no-table' },
  });
  expect(code).toBe(2);
  for (const name of ['REDIS_URL', 'DATABASE_URL', 'SESSION_PARTITIONS (--partitions)', 'SESSION_DB_TABLE']) {
    expect(stderr).toContain(name);
  }
  expect(JSON.parse(stdout)).toMatchObject({ v: 1, error: { code: 'CONFIGURATION' } });
});

test('a flag wins over the environment, and a file may hold a secret', async () => {
  const cli = await createCli();
  const { REDIS_URL = '', ...env } = cli.env;
  const fromFile = await cli.run(['pending', '--redis-url-file', '/secret'], {
    env,
    readFile: async (path) => (path === '/secret' ? `${REDIS_URL}\n` : ''),
  });
  expect(fromFile.code).toBe(0);
  const fromFlag = await cli.run(['pending', '--redis-url', REDIS_URL], {
    env: { ...env, REDIS_URL: 'redis://127.0.0.1:1' },
  });
  expect(fromFlag.code).toBe(0);
  const unreadable = await cli.run(['pending', '--redis-url-file', '/nowhere'], { env });
  expect([unreadable.code, unreadable.stderr]).toEqual([2, expect.stringContaining('/nowhere')]);
});

test('mistakes on the command line exit 2, suggest, and do not repeat a secret', async () => {
  const cli = await createCli();
  const typo = await cli.run(['statsu']);
  expect([typo.code, typo.stderr]).toEqual([2, expect.stringContaining('Did you mean status?')]);
  const secret = await cli.run(['status', `--redis-urll=redis://u:${CANARY}@h:1`]);
  expect([secret.code, secret.stderr]).toEqual([2, expect.stringContaining('redis://***@h:1')]);
  for (const args of [
    [],
    ['parked'],
    ['drain', '--deadline', '60'],
    ['replay', '--min-idle', 'soon'],
    ['parked', 'show', 'a:b:c'],
    ['parked', 'show', 'a b'],
    ['verify', '--dry-run'],
    ['status', '--watch', '0'],
  ]) {
    expect((await cli.run(args)).code, args.join(' ')).toBe(2);
  }
});

test('an unreachable Redis exits 4 and says which, why and what to check', async () => {
  const cli = await createCli();
  const { code, stderr } = await cli.run(['drain', '--debug'], {
    env: { ...cli.env, REDIS_URL: `redis://u:${CANARY}@127.0.0.1:1/0` },
    connectTimeoutMs: 200,
  });
  expect(code).toBe(4);
  expect(stderr).toContain('Redis at 127.0.0.1:1 could not be reached within 200 ms: nothing listens there');
  expect(stderr).toContain('ECONNREFUSED');
  expect(stderr).toContain('REDIS_URL');
  expect(stderr).toContain('    at ');
});

test('Ctrl-C ends a drain that waits for PostgreSQL with 130', async () => {
  const cli = await createCli();
  await cli.save(user('ana'), secretState());
  const interrupt = new AbortController();
  setTimeout(() => interrupt.abort(), 500);
  const { code } = await cli.run(['drain'], {
    env: { ...cli.env, DATABASE_URL: 'postgres://cauce@127.0.0.1:1/x' },
    signal: interrupt.signal,
  });
  expect(code).toBe(130);
  expect(await cli.countDirty()).toBe(1);
});

test('colors only on a terminal that wants them', async () => {
  const cli = await createCli();
  const args = ['status', '--sample', '0ms'];
  const bold = '\u001b[1m';
  expect((await cli.run(args)).stdout).not.toContain(bold);
  expect((await cli.run(args, { isTTY: true })).stdout).toContain(bold);
  expect((await cli.run([...args, '--no-color'], { isTTY: true })).stdout).not.toContain(bold);
  const noColor = { isTTY: true, env: { ...cli.env, NO_COLOR: '1' } };
  expect((await cli.run(args, noColor)).stdout).not.toContain(bold);
});

test('Ctrl-C leaves `status --watch` without a word', async () => {
  const { env } = await createCli();
  const child = await spawnNode(MAIN, ['status', '--watch', '0.1', '--sample', '0ms'], { env });
  onTestFinished(async () => void (await child.kill()));
  await child.waitForLine('dirty 0');
  expect(await child.kill('SIGINT')).toEqual({ code: 130, signal: null });
  expect(child.output('stderr')).toBe('');
});

test('it ends when npx, which was killed, is gone', async () => {
  const { env } = await createCli();
  const args = [process.execPath, MAIN, 'status', '--watch', '0.1', '--sample', '0ms'];
  const npx = await spawnProcess('/bin/sh', ['-c', `"${args.join('" "')}"; :`], {
    env: { ...env, npm_lifecycle_event: 'npx' },
  });
  await npx.waitForLine('dirty 0');
  npx.signal('SIGTERM');
  // It has the other end of the pipes: they close when it ends.
  expect(await npx.exit).toEqual({ code: null, signal: 'SIGTERM' });
});
