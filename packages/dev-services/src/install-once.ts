import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/**
 * Fills `folder` once. Several processes may try at the same time: each works in a folder of its
 * own and the first to finish gives it its name, so that a half-filled folder is never found.
 */
export async function installOnce(
  folder: string,
  fill: (partialFolder: string) => Promise<void>,
): Promise<void> {
  if (existsSync(folder)) return;
  // PostgreSQL may run as another user: readable for all, whatever the umask.
  mkdirSync(dirname(folder), { recursive: true, mode: 0o755 });
  const staging = mkdtempSync(join(dirname(folder), `.${basename(folder)}-`));
  try {
    const partial = join(staging, basename(folder));
    mkdirSync(partial, { mode: 0o755 });
    await fill(partial);
    try {
      renameSync(partial, folder);
    } catch (error) {
      if (!existsSync(folder)) throw error;
    }
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}
