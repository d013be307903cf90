import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export const root: string = join(import.meta.dirname, '../..');

/** Folders of the packages that are published, dependencies first. */
export const publishable = [
  'protocol',
  'settings',
  'postgres',
  'session-client',
  'sync-consumer',
  'admin',
  'history',
  'cli',
] as const;
export type Publishable = (typeof publishable)[number];

export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly exports: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly bin?: Readonly<Record<string, string>>;
}

export function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
}

export interface Outcome {
  readonly code: number;
  /** Standard output and standard error. */
  readonly output: string;
}

/** Runs a program to its end; never rejects because of what it answers. */
export async function execute(
  command: string,
  args: readonly string[],
  options: { cwd: string; env?: NodeJS.ProcessEnv },
): Promise<Outcome> {
  try {
    const { stdout, stderr } = await run(command, args, { maxBuffer: 64 * 1024 * 1024, ...options });
    return { code: 0, output: stdout + stderr };
  } catch (error) {
    const { code, stdout = '', stderr = '' } = error as { code?: unknown; stdout?: string; stderr?: string };
    return { code: typeof code === 'number' ? code : 1, output: `${stdout}${stderr}` || String(error) };
  }
}

/** Runs a program that has to succeed. @throws with its output */
export async function executeWell(
  command: string,
  args: readonly string[],
  options: { cwd: string },
): Promise<string> {
  const { code, output } = await execute(command, args, options);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}: exit code ${code}\n${output}`);
  return output;
}

/** Packs the publishable packages as a release would. Returns the path of each tarball. */
export async function packAll(folder: string): Promise<Readonly<Record<Publishable, string>>> {
  const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    packageManager: string;
  };
  const [pnpm = ''] = packageManager.split('+');
  mkdirSync(folder);
  const filters = publishable.flatMap((name) => ['--filter', `./packages/${name}`]);
  const args = ['--yes', pnpm, '--recursive', ...filters, 'pack', '--pack-destination', folder];
  await executeWell('npx', args, { cwd: root });
  const files = readdirSync(folder);
  const tarballs = publishable.map((name) => {
    const manifest = readManifest(join(root, 'packages', name));
    const file = `${manifest.name.replace('@', '').replace('/', '-')}-${manifest.version}.tgz`;
    if (!files.includes(file)) throw new Error(`${file} is not among ${files.join(', ')}`);
    return [name, join(folder, file)];
  });
  return Object.fromEntries(tarballs) as Record<Publishable, string>;
}

/** An npm project that depends on the tarballs and on the peers, as an application would. */
export async function installAll(
  folder: string,
  tarballs: Readonly<Record<Publishable, string>>,
): Promise<void> {
  mkdirSync(folder);
  const local = Object.fromEntries(
    publishable.map((name) => [readManifest(join(root, 'packages', name)).name, `file:${tarballs[name]}`]),
  );
  const peers = Object.fromEntries(
    ['ioredis', 'pg', 'prom-client'].map((name) => [name, installedVersion(name)]),
  );
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({
      private: true,
      dependencies: { ...local, ...peers },
      // Between themselves they ask for versions that no registry has yet.
      overrides: Object.fromEntries(Object.keys(local).map((name) => [name, `$${name}`])),
    }),
  );
  const args = ['install', '--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts'];
  await executeWell('npm', args, { cwd: folder });
}

function installedVersion(name: string): string {
  return readManifest(join(root, 'node_modules', name)).version;
}
