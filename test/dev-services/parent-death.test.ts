import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type SpawnedProcess, spawnNode } from '@cauce/dev-services';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { isRunning } from './is-running.ts';

interface Started {
  readonly pids: readonly number[];
  readonly folders: readonly string[];
}

const sources = fileURLToPath(new URL('../../packages/dev-services/src', import.meta.url));
let folder: string;
let script: string;

/** Node.js 20 runs no TypeScript, and a shared `dist` might be out of date: compile a private copy. */
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cauce-test-'));
  mkdirSync(join(folder, 'src'));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  for (const name of readdirSync(sources)) {
    const { outputText } = ts.transpileModule(readFileSync(join(sources, name), 'utf8'), {
      compilerOptions: {
        target: ts.ScriptTarget.ES2022,
        module: ts.ModuleKind.ESNext,
        verbatimModuleSyntax: true,
        rewriteRelativeImportExtensions: true,
      },
    });
    writeFileSync(join(folder, 'src', name.replace(/\.ts$/, '.js')), outputText);
  }
  script = join(folder, 'parent.mjs');
  writeFileSync(
    script,
    `import {
      startRedis, startPostgres, startRedisCluster, startSentinelGroup, spawnProcess,
    } from ${JSON.stringify(pathToFileURL(join(folder, 'src/index.js')).href)};
    if (process.argv[2] === 'many') {
      const [group, cluster] = await Promise.all([startSentinelGroup(), startRedisCluster()]);
      const servers = [...group.nodes, ...group.sentinels, ...cluster.nodes];
      console.log(JSON.stringify({
        pids: servers.map(({ pid }) => pid),
        folders: servers.map(({ dataDir }) => dataDir),
      }));
      setInterval(() => {}, 1000);
      await new Promise(() => {});
    }
    const [redis, postgres, sleeper] = await Promise.all([
      startRedis(), startPostgres(), spawnProcess('sleep', ['1000']),
    ]);
    if (process.argv[2] === 'pause') { redis.pause(); postgres.pause(); }
    console.log(JSON.stringify({
      pids: [redis.pid, postgres.pid, sleeper.pid],
      folders: [redis.dataDir, postgres.dataDir],
    }));
    if (process.argv[2] === 'throw') setImmediate(() => { throw new Error('uncaught'); });
    else if (process.argv[2] === 'exit') process.exit(0);
    else if (process.argv[2] !== 'end') setInterval(() => {}, 1000);
    else sleeper.kill();
    `,
  );
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

async function startParent(what: string): Promise<{ parent: SpawnedProcess; started: Started }> {
  const parent = await spawnNode(script, [what]);
  const started = JSON.parse(await parent.waitForLine('pids', 20_000)) as Started;
  return { parent, started };
}

async function expectNothingLeft({ pids, folders }: Started): Promise<void> {
  await vi.waitFor(
    () => {
      expect(pids.filter(isRunning)).toEqual([]);
      expect(folders.map((path) => dirname(path)).filter((path) => existsSync(path))).toEqual([]);
    },
    { timeout: 10_000, interval: 20 },
  );
}

describe.skipIf(process.platform !== 'linux')('servers and their files are gone', () => {
  it.each(['SIGKILL', 'SIGTERM', 'SIGINT'] as const)('after the parent got %s', async (signal) => {
    const { parent, started } = await startParent('wait');
    expect(started.pids.every(isRunning)).toBe(true);
    await parent.kill(signal);
    await expectNothingLeft(started);
  });

  it.each(['exit', 'throw', 'end'])('after the parent ended by itself: %s', async (way) => {
    const { parent, started } = await startParent(way);
    const { code } = await parent.exit;
    expect(code, parent.output()).toBe(way === 'throw' ? 1 : 0);
    await expectNothingLeft(started);
  });

  it('of a sentinel group and of a cluster, after the parent got SIGKILL', async () => {
    const { parent, started } = await startParent('many');
    expect(started.pids).toHaveLength(8);
    await parent.kill('SIGKILL');
    await expectNothingLeft(started);
  });

  it('after the parent got SIGKILL while they were paused', async () => {
    const { parent, started } = await startParent('pause');
    await parent.kill('SIGKILL');
    await expectNothingLeft(started);
  });
});
