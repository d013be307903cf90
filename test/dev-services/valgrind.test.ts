import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { provideValgrind, startRedis } from '@cauce/dev-services';
import { expect, it, onTestFinished } from 'vitest';

it('without valgrind, and with no leave to download it, says what a person can do', async () => {
  const cacheFolder = mkdtempSync(join(tmpdir(), 'cauce-valgrind-'));
  onTestFinished(() => rmSync(cacheFolder, { recursive: true }));
  await expect(provideValgrind({ env: { PATH: '' }, cacheFolder, mayInstall: false })).rejects.toMatchObject({
    code: 'SERVER_MISSING',
    message: expect.stringContaining('valgrind and vgdb are on PATH') as string,
  });
});

it('a Redis runs under another program, and is stopped as any other', async () => {
  // It becomes the program it is given, as valgrind does.
  const launcher = { command: '/usr/bin/env', args: ['-u', 'NOTHING'], env: { UNDER: 'launcher' } };
  const redis = await startRedis({ under: launcher });
  onTestFinished(() => redis.stop());
  expect(redis.isRunning).toBe(true);
  await redis.restart();
  await redis.stop();
  expect(redis.isRunning).toBe(false);
});
