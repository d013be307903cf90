// A throw-away copy of the working tree, in which defects can be tried without touching the original.
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, sep } from 'node:path';

import type { Mutant } from './mutants.ts';

export interface WorkingCopy {
  readonly folder: string;
  /** Puts the defect in. Returns what undoes it. @throws Error when the text is not there exactly once */
  apply(mutant: Mutant): () => void;
  remove(): void;
}

/** Neither the history nor what is large and not ours. The packages' own `node_modules` hold links and are needed. */
const leftOut = new Set(['.git', '.cauce', 'node_modules']);

/** Copies the tree, its build included, to a folder below the system's folder for temporary files. */
export function makeWorkingCopy(root: string): WorkingCopy {
  const folder = mkdtempSync(join(tmpdir(), 'cauce-mutants-'));
  const remove = (): void => rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  try {
    cpSync(root, folder, {
      recursive: true,
      // Links of the workspace lead to the packages of the copy, not to the original's.
      verbatimSymlinks: true,
      // Or the copied build would seem to be out of date.
      preserveTimestamps: true,
      filter: (path) => !leftOut.has(relative(root, path).split(sep).join('/')),
    });
    shareDependencies(join(root, 'node_modules'), join(folder, 'node_modules'));
  } catch (error) {
    remove();
    throw error;
  }
  return { folder, remove, apply: (mutant) => apply(folder, mutant) };
}

/** A folder of its own with links to what is installed, because the links to our packages must be the copy's. */
function shareDependencies(installed: string, target: string): void {
  mkdirSync(target);
  for (const name of readdirSync(installed)) {
    if (name === '@cauce')
      cpSync(join(installed, name), join(target, name), { recursive: true, verbatimSymlinks: true });
    else if (!name.startsWith('.') || name === '.pnpm')
      symlinkSync(join(installed, name), join(target, name));
  }
}

function apply(folder: string, { file, find, replace }: Mutant): () => void {
  const path = join(folder, file);
  const original = readFileSync(path, 'utf8');
  const count = original.split(find).length - 1;
  if (count !== 1) {
    throw new Error(
      `does not apply: this text occurs ${count} times in ${file}, not once. Update test/mutants/mutants.ts.\n${find}`,
    );
  }
  writeFileSync(
    path,
    original.replace(find, () => replace),
  );
  return () => writeFileSync(path, original);
}
