import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { spawnNode } from '@cauce/dev-services';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createPipeline } from '../helpers/pipeline.ts';
import { problemsIn } from './compile.ts';
import { root } from './packed.ts';

const require = createRequire(import.meta.url);
const oldest = require.resolve('ioredis-5');

/** For `node --import`: every `ioredis` is the oldest one. */
const hook = `export const resolve = (name, context, next) =>
  name === 'ioredis' ? { url: ${JSON.stringify(pathToFileURL(oldest).href)}, shortCircuit: true } : next(name, context);`;
const dataUrl = (script: string): string => `data:text/javascript,${encodeURIComponent(script)}`;
const withOldest = dataUrl(
  `import { register } from 'node:module'; register(${JSON.stringify(dataUrl(hook))});`,
);

describe('ioredis 5.11, the oldest that the packages allow', () => {
  it('is what is tried here', () => {
    expect(require('ioredis-5/package.json')).toMatchObject({ version: '5.11.0' });
  });

  it('has the types that the sources need', () => {
    const sources = ['protocol', 'session-client'].map((name) => `packages/${name}/src/index.ts`);
    const problems = problemsIn(Object.fromEntries(sources.map((path) => [path, undefined])), {
      customConditions: ['@cauce/source'],
      allowImportingTsExtensions: true,
      paths: { ioredis: [join(root, 'node_modules/ioredis-5/built/index.d.ts')] },
    });
    expect(problems).toEqual([]);
  });

  it('saves, updates, loads, clears, and syncs', async () => {
    const pipeline = await createPipeline();
    const program = join(root, 'test/fixtures/dist/round-trip.js');
    const child = await spawnNode(program, [], {
      nodeArgs: ['--import', withOldest],
      env: pipeline.env,
    });
    onTestFinished(async () => void (await child.kill()));
    const { code } = await child.exit;
    expect(child.output()).toContain('ioredis 5.11.0 synced {"n":2}');
    expect(code).toBe(0);
  });
});
