// Runs the tasks of package.json with nothing but Node and npm on the machine: dependencies are installed when
// they are missing or out of date (by pnpm, fetched through npx if need be), and tools run straight from
// node_modules/.bin. Whatever follows the task's name goes to its last step: npm test -- test/unit
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, utimesSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
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
const check = [
  ...build,
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
const forCrash = buildOf('test/crash');
const tasks = {
  build,
  check,
  test: [
    ...check,
    { title: 'tests', command: [bin('vitest'), 'run'] },
    // Whoever asks for some of the tests does not want minutes of this.
    { ...crash('--seconds', '60', '--seed', '202', '--quiet'), isOnlyForAll: true },
    ...['sentinel', 'cluster'].map((topology) => ({
      ...crash('--topology', topology, '--seconds', '40', '--seed', '202', '--quiet'),
      isOnlyForAll: true,
    })),
  ],
  'test:mutants': [...build, { title: 'mutants', command: script('test/mutants/dist/run.js') }],
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

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
let interruptedBy;
let running;
for (const name of signals) process.on(name, () => interrupt(name));
endWithParent();

process.exitCode = await runTask(...process.argv.slice(2));

async function runTask(name, ...args) {
  const steps = tasks[name]?.filter(({ isOnlyForAll }) => !isOnlyForAll || args.length === 0);
  if (!steps) return fail(`Usage: node scripts/run-task.mjs ${Object.keys(tasks).join('|')} [arguments]`);
  const installCode = await installIfStale();
  if (installCode !== 0) return installCode;
  // What a reader of the demo came for is the demo: its build shows itself only when it fails.
  const isQuiet = steps.at(-1).title === undefined;
  for (const step of steps) {
    const isLast = step === steps.at(-1);
    if (step.needs && !existsSync(join(root, step.needs))) continue;
    const [command, ...fixed] = step.command;
    const startedMs = performance.now();
    if (!isQuiet) console.log(`\n== ${step.title}`);
    else if (step.title === 'build') console.log('Building …\n');
    const { code, output } = await run(command, isLast ? [...fixed, ...args] : fixed, {
      isCaptured: isQuiet && !isLast,
    });
    if (code !== 0) {
      if (output) console.error(output);
      return step.title && !interruptedBy
        ? fail(`\n== ${step.title}: failed after ${secondsSince(startedMs)} (exit code ${code})`, code)
        : code;
    }
    if (!isQuiet) console.log(`== ${step.title}: ok in ${secondsSince(startedMs)}`);
  }
  return 0;
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
function run(command, args, { isCaptured = false, env = process.env } = {}) {
  return new Promise((resolve) => {
    if (interruptedBy) {
      resolve({ code: exitCodeOf(interruptedBy), output: '' });
      return;
    }
    // Programs of ours notice by the channel that nobody is there any more to pass signals on.
    const channel = command === process.execPath ? ['ipc'] : [];
    const stdio = isCaptured ? ['ignore', 'pipe', 'pipe'] : ['inherit', 'inherit', 'inherit'];
    const child = spawn(command, args, { cwd: root, env, stdio: [...stdio, ...channel] });
    running = child;
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text) => {
        output += text;
      });
    }
    child.once('error', (error) => resolve({ code: 1, output: `${command}: ${error.message}` }));
    child.once('close', (code, signal) => resolve({ code: code ?? exitCodeOf(signal), output }));
  });
}

function interrupt(signal) {
  interruptedBy ??= signal;
  running?.kill(signal);
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
