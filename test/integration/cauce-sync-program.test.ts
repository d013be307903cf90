import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnNode, spawnProcess } from '@cauce/dev-services';
import { expect, onTestFinished, test } from 'vitest';
import { startHttpServer } from '../../packages/sync-consumer/src/http-server.ts';
import { isRunning } from '../dev-services/is-running.ts';
import { spawnCauceSync } from '../helpers/consumer-process.ts';
import { eventually } from '../helpers/eventually.ts';
import { createPipeline } from '../helpers/pipeline.ts';

const program = join(import.meta.dirname, '../../packages/sync-consumer/dist/main.js');

async function runWith(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = await spawnNode(program, args, { env: {} });
  const { code } = await child.exit;
  return { code, stdout: child.output('stdout'), stderr: child.output('stderr') };
}

test('says its version and how to use it, and refuses what it does not know', async () => {
  for (const flag of ['--version', '-V']) {
    expect(await runWith(flag)).toEqual({
      code: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
      stderr: '',
    });
  }
  for (const flag of ['--help', '-h']) {
    expect(await runWith(flag)).toMatchObject({ code: 0, stdout: expect.stringContaining('--version') });
  }
  expect(await runWith('--verbose')).toMatchObject({ code: 2, stderr: expect.stringContaining('--help') });
});

test('a port that was set and is taken is a mistake: it says which setting, and what to do', async () => {
  const pipeline = await createPipeline();
  const port = await takenPort();
  const consumer = await spawnCauceSync(pipeline, { SYNC_HTTP_PORT: String(port) });
  expect(await consumer.exit).toEqual({ code: 2, signal: null });
  const stderr = consumer.output('stderr');
  expect(stderr).toContain(`cauce-sync cannot start:\n  SYNC_HTTP_PORT ${port}`);
  expect(stderr).toContain('0 for a free one');
  expect(consumer.output()).not.toContain('    at ');
});

test('a port that nobody chose and that is taken is replaced by a free one', async () => {
  const deps = { registry: undefined, readiness: () => ({ isReady: true }) };
  const port = await takenPort();
  const host = '127.0.0.1';
  await expect(startHttpServer(deps, { port, host })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  const server = await startHttpServer(deps, { port, host, isPortFixed: false });
  onTestFinished(() => server.close());
  expect(server.port).not.toBe(port);
  expect((await fetch(`http://${host}:${server.port}/readyz`)).status).toBe(200);
});

test.each(['npx', 'npm run'])('SIGTERM to %s alone stops the consumer it started', async (launcher) => {
  const pipeline = await createPipeline();
  const folder = mkdtempSync(join(tmpdir(), 'cauce-npx-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  mkdirSync(join(folder, 'node_modules/.bin'), { recursive: true });
  const bin = join(folder, 'node_modules/.bin/cauce-sync');
  writeFileSync(bin, `#!/usr/bin/env node\nimport(${JSON.stringify(program)});\n`, { mode: 0o755 });
  const scripts = { sync: 'cauce-sync' };
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'bot', version: '1.0.0', scripts }));
  const [command = '', ...args] =
    { npx: 'npx --no cauce-sync', 'npm run': 'npm run sync' }[launcher]?.split(' ') ?? [];
  const npm = await spawnProcess(command, args, {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: folder, npm_config_update_notifier: 'false', ...pipeline.env },
  });
  onTestFinished(async () => void (await npm.kill()));
  const syncing = await npm.waitForLine('syncing sessions', 30_000);
  const pid = Number(/"consumer":"[^"]*-(\d+)-\w+"/.exec(syncing)?.[1]);
  onTestFinished(() => {
    if (isRunning(pid)) process.kill(pid, 'SIGKILL');
  });
  npm.signal('SIGTERM');
  await eventually(() => expect(isRunning(pid)).toBe(false), 8000);
  expect(npm.output()).toContain('"msg":"stopped"');
});

test('at the level info one line says that sessions are written, and how many', async () => {
  const pipeline = await createPipeline();
  const consumer = await spawnCauceSync(pipeline, { SYNC_LOG_LEVEL: 'info' });
  await consumer.waitForLine('syncing sessions');
  expect(consumer.output()).not.toContain('sessions were written');
  await pipeline.save({ tenantId: 'canary-t', userId: 'canary-u' }, { note: 'canary-s' });
  const line = await consumer.waitForLine('sessions were written to PostgreSQL');
  expect(JSON.parse(line)).toMatchObject({ written: 1 });
  expect(consumer.output()).not.toContain('canary');
});

async function takenPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
  onTestFinished(() => void server.close());
  return (server.address() as { port: number }).port;
}
