import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  execute,
  executeWell,
  installAll,
  type Publishable,
  packAll,
  publishable,
  readManifest,
  root,
} from './packed.ts';

const bin = (name: string): string => join(root, 'node_modules/.bin', name);
const withoutSettings = { PATH: process.env.PATH, HOME: process.env.HOME };

let folder: string;
let project: string;
let tarballs: Readonly<Record<Publishable, string>>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cauce-package-'));
  project = join(folder, 'project');
  tarballs = await packAll(join(folder, 'tarballs'));
  await installAll(project, tarballs);
}, 180_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each(publishable)('%s', (name) => {
  const manifest = readManifest(join(root, 'packages', name));
  const installed = (): string => join(project, 'node_modules', manifest.name);
  const entries = Object.keys(manifest.exports).map((path) => manifest.name + path.slice(1));

  it('is what publint calls well-formed', async () => {
    const { code, output } = await execute(bin('publint'), ['run', '--strict', tarballs[name]], {
      cwd: root,
    });
    expect(output).toContain('All good!');
    expect(code).toBe(0);
  });

  it('gives TypeScript the right types at each entry point', async () => {
    const args = ['--profile', 'esm-only', tarballs[name]];
    const { code, output } = await execute(bin('attw'), args, { cwd: root });
    expect(code, output).toBe(0);
  });

  it('contains what was built, its licence, and its migrations, and nothing else', async () => {
    const files = (await executeWell('tar', ['-tzf', tarballs[name]], { cwd: root })).trim().split('\n');
    const allowed = /^package\/(dist\/.+\.(js|d\.ts)(\.map)?|package\.json|LICENSE|README\.md)$/;
    const migrations = /^package\/sql\/migrations\/\d{4}_\w+\.sql$/;
    const others = files.filter((file) => !allowed.test(file));
    expect(files).toContain('package/LICENSE');
    if (name === 'postgres') {
      expect(others.length).toBeGreaterThan(0);
      expect(others.filter((file) => !migrations.test(file))).toEqual([]);
    } else expect(others).toEqual([]);
  });

  it('leads nobody to its sources, and to no workspace', () => {
    const published = JSON.stringify(readManifest(installed()));
    expect(published).not.toContain('@cauce/source');
    expect(published).not.toMatch(/workspace:|catalog:/);
    expect(published).not.toContain('./src/');
  });

  it.each(entries)('can be imported as %s', async (entry) => {
    const text = `console.log(Object.keys(await import(${JSON.stringify(entry)})).join())`;
    const exported = await executeWell(process.execPath, ['--input-type=module', '--eval', text], {
      cwd: project,
    });
    expect(exported.trim()).not.toBe('');
  });

  it('can be required from CommonJS', async () => {
    const text = `console.log(Object.keys(require(${JSON.stringify(manifest.name)})).join())`;
    const { code, output } = await execute(process.execPath, ['--eval', text], { cwd: project });
    expect(code, output).toBe(0);
  });
});

describe('the installed programs', () => {
  it('cauce explains itself', async () => {
    const cauce = join(project, 'node_modules/.bin/cauce');
    const { code, output } = await execute(cauce, ['--help'], { cwd: project, env: withoutSettings });
    expect(output).toContain('Usage: cauce');
    expect(code).toBe(0);
  });

  it('cauce-sync names the settings it lacks and exits with code 2', async () => {
    const sync = join(project, 'node_modules/.bin/cauce-sync');
    const { code, output } = await execute(sync, [], { cwd: project, env: withoutSettings });
    expect(output).toContain('REDIS_URL is missing');
    expect(output).toContain('DATABASE_URL is missing');
    expect(code).toBe(2);
  });
});
