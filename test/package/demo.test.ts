import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnNode } from '@cauce/dev-services';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../helpers/eventually.ts';
import { root } from './packed.ts';

const program = join(root, 'packages/example-bot/dist/demo.js');
const quick = ['--seconds', '6', '--users', '40'];
let folder: string;

/** A folder of its own for temporary files: what is left behind shows. PostgreSQL's user must be able to enter. */
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cauce-demo-'));
  chmodSync(folder, 0o755);
  expect(existsSync(program), 'built by npm run build').toBe(true);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function startDemo(...args: string[]): ReturnType<typeof spawnNode> {
  const env = { ...process.env, TMPDIR: folder, REDIS_URL: '', DATABASE_URL: '' };
  return spawnNode(program, args, { env });
}

describe('the demo', () => {
  it('loses nothing when the consumer is killed, and leaves nothing behind', async () => {
    await using demo = await startDemo(...quick);
    const { code } = await demo.exit;
    const output = demo.output();
    expect(output).toContain('Killed the consumer (kill -9');
    expect(output).toMatch(/^0 lost$/m);
    expect(code, output).toBe(0);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('ends at Ctrl-C with code 130 and leaves nothing behind', async () => {
    await using demo = await startDemo(...quick);
    await demo.waitForLine('Started a consumer', 40_000);
    expect(await demo.kill('SIGINT')).toEqual({ code: 130, signal: null });
    expect(readdirSync(folder)).toEqual([]);
  });

  it('leaves nothing behind when it is killed', async () => {
    await using demo = await startDemo(...quick);
    await demo.waitForLine('Started a consumer', 40_000);
    await demo.kill('SIGKILL');
    await eventually(() => expect(readdirSync(folder)).toEqual([]), 15_000);
  });

  it('refuses what it does not understand, with code 2', async () => {
    await using demo = await startDemo('--users', 'many');
    expect(await demo.exit).toEqual({ code: 2, signal: null });
    expect(demo.output()).toContain('Usage:');
  });
});
