// The mutation gate: each defect of the table is put into a copy of the working tree, and the tests named for it have
// to fail there.
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type SpawnedProcess, spawnNode, startServices } from '@cauce/dev-services';
import { judgeReport, type TestReport, type Verdict } from './judge-report.ts';
import { type Mutant, mutants } from './mutants.ts';
import { makeWorkingCopy } from './working-copy.ts';

/** How vitest ended, and what its report says, if it wrote one. */
interface TestRun extends Partial<Verdict> {
  readonly code: number | null;
  readonly output: string;
}

const print = (line: string) => process.stdout.write(`${line}\n`);
const root = join(import.meta.dirname, '../../..');
const { values: options } = parseArgs({ options: { only: { type: 'string' } } });
const only = options.only?.split(',');
const chosen = mutants.filter(({ name }) => only?.includes(name) ?? true);
if (chosen.length === 0) {
  print(`There is no mutant ${options.only}. There are: ${mutants.map(({ name }) => name).join(', ')}`);
  process.exit(2);
}

let running: SpawnedProcess | undefined;
let ending: Promise<void> | undefined;
// Ctrl-C may arrive twice: from the terminal, and from the program that started this.
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, interrupt);
// The program that started this is gone without a signal.
process.once('disconnect', interrupt);
process.channel?.unref();
const copy = makeWorkingCopy(root);
// One pair of servers for all: the tests keep apart by key prefix and schema.
const servers = await startServices();
const env = { ...process.env, REDIS_URL: servers.redis.url, DATABASE_URL: servers.postgres.url };
process.exitCode = await tryAll().finally(async () => {
  await servers.stop();
  copy.remove();
});

async function tryAll(): Promise<number> {
  const startedMs = performance.now();
  const sound = await runTests([...new Set(chosen.flatMap(({ tests }) => tests))]);
  if (sound.code !== 0) {
    print(
      `Without any mutant the tests fail, so they prove nothing:\n${sound.caughtBy ?? sound.unusable ?? sound.output}`,
    );
    return 1;
  }
  print(`Without any mutant ${sound.passed} tests pass in ${secondsSince(startedMs)}.\n`);
  let caught = 0;
  for (const mutant of chosen) {
    const verdict = await tryOne(mutant);
    if (verdict.isCaught) caught++;
    print(`${mutant.name} (${mutant.promise}: ${mutant.breaks})\n  → ${verdict.text}`);
  }
  print(`\n${chosen.length} mutants, ${caught} caught, in ${secondsSince(startedMs)}`);
  return caught === chosen.length ? 0 : 1;
}

async function tryOne(mutant: Mutant): Promise<{ isCaught: boolean; text: string }> {
  const startedMs = performance.now();
  let revert: () => void;
  try {
    revert = copy.apply(mutant);
  } catch (error) {
    return { isCaught: false, text: error instanceof Error ? error.message : String(error) };
  }
  try {
    const build = await rebuild(mutant);
    if (build) return { isCaught: false, text: `does not compile, so nothing is proved:\n${build}` };
    const { caughtBy, unusable, code, output } = await runTests(mutant.tests);
    if (code !== 0 && caughtBy) {
      return { isCaught: true, text: `caught by ${caughtBy} in ${secondsSince(startedMs)}` };
    }
    if (code !== 0)
      return { isCaught: false, text: `cannot run, so nothing is proved:\n${unusable ?? output}` };
    return { isCaught: false, text: `SURVIVED ${mutant.tests.join(', ')}` };
  } finally {
    revert();
  }
}

/** Scripts and statements are embedded, and child processes run the build. Returns what was wrong, or ''. */
async function rebuild({ tests }: Mutant): Promise<string> {
  const embedded = await run('scripts/embed-assets.mjs', []);
  if (embedded.code !== 0) return embedded.output;
  // These tests start no process of ours: the slowest step is for the others.
  if (tests.every((path) => /^test\/(contract|unit)\//.test(path))) return '';
  const packages = ['session-client', 'sync-consumer'].map((name) => `packages/${name}`);
  const built = await run('node_modules/typescript/bin/tsc', ['-b', ...packages]);
  return built.code === 0 ? '' : built.output;
}

async function runTests(files: readonly string[]): Promise<TestRun> {
  const reportFile = join(copy.folder, 'mutants-report.json');
  rmSync(reportFile, { force: true });
  const reporter = ['--reporter=json', `--outputFile=${reportFile}`];
  const args = ['run', '--bail=1', ...reporter, ...files];
  const { code, output } = await run('node_modules/vitest/vitest.mjs', args);
  if (!existsSync(reportFile)) return { code: code || 1, output };
  return {
    code,
    output,
    ...judgeReport(JSON.parse(readFileSync(reportFile, 'utf8')) as TestReport, copy.folder),
  };
}

/** It is ended with this process at the latest, and what it started with it. */
async function run(script: string, args: readonly string[]) {
  const child = await spawnNode(join(copy.folder, script), args, { cwd: copy.folder, env });
  running = child;
  const { code } = await child.exit;
  await ending;
  return { code, output: child.output() };
}

function interrupt() {
  ending ??= end();
}

async function end(): Promise<void> {
  await running?.kill();
  copy.remove();
  process.exit(130);
}

function secondsSince(startedMs: number): string {
  return `${((performance.now() - startedMs) / 1000).toFixed(1)} s`;
}
