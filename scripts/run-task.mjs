// Runs the tasks of package.json with nothing but Node and npm on the machine: dependencies are installed when
// they are missing or out of date (by pnpm, fetched through npx if need be), and tools run straight from
// node_modules/.bin. Whatever follows the task's name goes to its last step: npm test -- test/unit
// Steps run one after the other; those `beside` another one while it runs, at a lower priority.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, utimesSync } from 'node:fs';
import { constants, setPriority, tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const bin = (name) => join(root, 'node_modules/.bin', name);
const script = (path) => [process.execPath, join(root, path)];
const packages = readdirSync(join(root, 'packages')).filter((name) =>
  existsSync(join(root, 'packages', name, 'tsconfig.json')),
);

/** The JavaScript that child processes, the CLI and the programs of the proof run; `tsc` adds what they refer to. */
const buildOf = (...projects) => [
  { title: 'embed', command: script('scripts/embed-assets.mjs') },
  { title: 'build', command: [bin('tsc'), '-b', ...projects] },
];
const build = buildOf(
  ...packages.map((name) => `packages/${name}`),
  ...['test/crash', 'test/mutants', 'test/fixtures', 'bench'],
);
const docs = (...flags) => ({ title: 'docs', command: [...script('scripts/generate-docs.mjs'), ...flags] });
const checks = [
  { title: 'types', command: [bin('tsc'), '-b'] },
  { title: 'biome', command: [bin('biome'), 'check', '.'] },
  { title: 'eslint', command: [bin('eslint'), '.'], needs: 'eslint.config.js' },
  {
    title: 'borders',
    command: [bin('depcruise'), 'packages', 'test', 'bench'],
    needs: '.dependency-cruiser.cjs',
  },
  { title: 'knip', command: [bin('knip')], needs: 'knip.json' },
  docs('--check'),
];
const crash = (...flags) => ({ title: 'crash', command: [...script('test/crash/dist/run.js'), ...flags] });
const crashes = (...seconds) =>
  ['single', 'sentinel', 'cluster'].map((topology, i) =>
    crash('--topology', topology, '--seconds', seconds[i], '--quiet'),
  );
const forCrash = buildOf('test/crash');
/** What is slow by nature is named so, and belongs to the proof. */
const slowTests = '**/*.slow.test.ts';
const slow = { title: 'slow tests', command: [bin('vitest'), 'run', '.slow.test.'] };
const mutants = { title: 'mutants', command: script('test/mutants/dist/run.js') };
const tasks = {
  build,
  check: [...build, ...checks],
  test: [
    ...build,
    { title: 'tests', command: [bin('vitest'), 'run'], forAll: ['--exclude', slowTests], beside: checks },
    // Whoever asks for some of the tests does not want this.
    { ...crash('--seconds', '25', '--seed', '202', '--quiet'), isOnlyForAll: true },
  ],
  'test:proof': [...build, slow, mutants, ...crashes(300, 300, 300)],
  'test:proof --short': [...build, slow, mutants, ...crashes(60, 40, 40)],
  'test:mutants': [...build, mutants],
  'test:model': [...build, { title: 'model', command: [bin('vitest'), 'run', '--project', 'model'] }],
  'test:crash': [...forCrash, crash()],
  'test:soak': [...forCrash, crash('--kills', '1000')],
  'test:sentinel': [...forCrash, crash('--topology', 'sentinel')],
  'test:cluster': [...forCrash, crash('--topology', 'cluster')],
  bench: [...buildOf('bench'), { title: 'bench', command: script('bench/dist/run.js') }],
  format: [{ title: 'format', command: [bin('biome'), 'check', '--write', '.'] }],
  docs: [...build, docs()],
  demo: [...buildOf('packages/example-bot'), { command: script('packages/example-bot/dist/demo.js') }],
  start: [
    ...buildOf('packages/example-bot', 'packages/cli'),
    { command: script('packages/example-bot/dist/start.js') },
  ],
};

/** Of a step beside another one: of a core that both want it gets a quarter. */
const NICENESS_BESIDE = 5;
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
let interruptedBy;
const running = new Set();
for (const name of signals) process.on(name, () => interrupt(name));
endWithParent();

process.exitCode = await runTask(...process.argv.slice(2));

async function runTask(name, ...args) {
  const form = `${name} ${args[0]}`;
  if (tasks[form]) return runTask(form, ...args.slice(1));
  const steps = tasks[name]?.filter(({ isOnlyForAll }) => !isOnlyForAll || args.length === 0);
  if (!steps) return fail(`Usage: node scripts/run-task.mjs ${Object.keys(tasks).join('|')} [arguments]`);
  const installCode = await installIfStale();
  if (installCode !== 0) return installCode;
  // What a reader of the demo came for is the demo: its build shows itself only when it fails.
  const isQuiet = steps.at(-1).title === undefined;
  if (isQuiet) console.log('Building …\n');
  for (const step of steps) {
    const given = step === steps.at(-1) ? args : [];
    const code = await runWithBeside(step, { args: args.length > 0 ? given : step.forAll, isQuiet });
    if (code !== 0) return code;
  }
  return 0;
}

/** A step with those beside it, one after the other. When one of these fails it is all over. */
async function runWithBeside(step, { args, isQuiet }) {
  const { title, beside = [] } = step;
  const front = runStep(step, { args, isQuiet: isQuiet && title !== undefined });
  for (const one of beside) {
    const code = await runStep(one, { isQuiet: true, isBeside: true });
    if (code === 0) continue;
    interrupt('SIGTERM');
    await front;
    return code;
  }
  return front;
}

/** Returns an exit code. Of a quiet step only a failure is printed; of one beside another, its end too. */
async function runStep(step, { args = [], isQuiet = false, isBeside = false }) {
  if (step.needs && !existsSync(join(root, step.needs))) return 0;
  const [command, ...fixed] = step.command;
  const startedMs = performance.now();
  if (!isQuiet && step.title) console.log(`\n== ${step.title}`);
  const { code, output } = await run(command, [...fixed, ...args].map(String), {
    isCaptured: isQuiet,
    isBeside,
  });
  if (code === 0) {
    if (step.title && (!isQuiet || isBeside))
      console.log(`== ${step.title}: ok in ${secondsSince(startedMs)}`);
    return 0;
  }
  if (interruptedBy) return code;
  if (output) console.error(output);
  const said = `\n== ${step.title}: failed after ${secondsSince(startedMs)} (exit code ${code})`;
  return step.title ? fail(said, code) : code;
}

/** Runs `pnpm install` unless node_modules is as new as the lock file. Returns an exit code. */
async function installIfStale() {
  const stamp = join(root, 'node_modules/.modules.yaml');
  const lockFile = join(root, 'pnpm-lock.yaml');
  const isFresh = existsSync(stamp) && statSync(stamp).mtimeMs >= statSync(lockFile).mtimeMs;
  if (isFresh) return 0;
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const version = /^pnpm@([\d.]+)/.exec(manifest.packageManager)[1];
  const [command, ...first] = isOnPath(version) ? ['pnpm'] : ['npx', '--yes', `pnpm@${version}`];
  console.log(`Installing dependencies with pnpm ${version} …`);
  const startedMs = performance.now();
  const { code, output } = await run(
    command,
    // Without the flag, NODE_ENV=production would leave the tools out.
    [...first, 'install', '--frozen-lockfile', '--prod=false'],
    // CI: replace a node_modules of another package manager without asking.
    { isCaptured: true, env: { ...process.env, CI: 'true' } },
  );
  if (code === 0) {
    const now = new Date();
    utimesSync(stamp, now, now);
    console.log(`Installed in ${secondsSince(startedMs)}.\n`);
    return 0;
  }
  if (interruptedBy) return code;
  console.error(output.trimEnd());
  return fail(
    `\nInstalling the dependencies failed (${[command, ...first].join(' ')} install, exit code ${code}). ` +
      `If npx could not fetch pnpm, run: npm i -g pnpm@${version}`,
    code,
  );
}

/** Whether that very pnpm is on PATH. Asked outside the repository, where pnpm does not replace itself. */
function isOnPath(version) {
  const { stdout } = spawnSync('pnpm', ['--version'], {
    cwd: tmpdir(),
    encoding: 'utf8',
    timeout: 10_000,
    // The `pnpm` on PATH may be corepack's, which would go and download one.
    env: { ...process.env, COREPACK_ENABLE_NETWORK: '0', COREPACK_ENABLE_DOWNLOAD_PROMPT: '0' },
  });
  return stdout?.trim() === version;
}

/** Runs a program to its end. Signals reach it through `interrupt`. */
function run(command, args, { isCaptured = false, isBeside = false, env = process.env } = {}) {
  return new Promise((resolve) => {
    if (interruptedBy) {
      resolve({ code: exitCodeOf(interruptedBy), output: '' });
      return;
    }
    // Programs of ours notice by the channel that nobody is there any more to pass signals on.
    const channel = command === process.execPath ? ['ipc'] : [];
    const stdio = isCaptured ? ['ignore', 'pipe', 'pipe'] : ['inherit', 'inherit', 'inherit'];
    const child = spawn(command, args, { cwd: root, env, stdio: [...stdio, ...channel] });
    running.add(child);
    // The tests have deadlines; what only computes has none. With the lowest priority it would not end on a busy machine.
    if (isBeside && child.pid) setPriority(child.pid, NICENESS_BESIDE);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text) => {
        output += text;
      });
    }
    child.once('error', (error) => resolve({ code: 1, output: `${command}: ${error.message}` }));
    child.once('close', (code, signal) => {
      running.delete(child);
      resolve({ code: code ?? exitCodeOf(signal), output });
    });
  });
}

function interrupt(signal) {
  interruptedBy ??= signal;
  for (const child of running) child.kill(signal);
}

/** npm was killed: nobody waits for this any more, and nobody could stop it. */
function endWithParent() {
  const parent = process.ppid;
  setInterval(() => process.ppid !== parent && interrupt('SIGTERM'), 1000).unref();
}

function exitCodeOf(signal) {
  return 128 + constants.signals[signal];
}

function secondsSince(startedMs) {
  return `${((performance.now() - startedMs) / 1000).toFixed(1)} s`;
}

function fail(message, code = 1) {
  console.error(message);
  return code;
}
