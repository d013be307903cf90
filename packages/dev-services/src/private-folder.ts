import { chownSync, mkdtempSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ServerError } from './server-error.ts';
import type { SystemUser } from './unprivileged-user.ts';

/**
 * Makes a new folder (mode 0700) under the system's temporary folder, owned by `owner` if given.
 * The path is short, because a Unix socket inside it may have at most 107 bytes.
 */
export function createPrivateFolder(prefix: string, owner?: SystemUser): string {
  const parent = [tmpdir(), '/tmp', '/var/tmp'].find((path) => !owner || isReachable(path));
  if (parent === undefined) {
    throw new ServerError(
      'SERVER_UNSUPPORTED',
      `The user ${owner?.name} can reach none of ${tmpdir()}, /tmp and /var/tmp. ` +
        'Set TMPDIR to a folder that every user may enter.',
    );
  }
  const folder = mkdtempSync(join(parent, `${prefix}-`));
  if (owner) chownSync(folder, owner.uid, owner.gid);
  return folder;
}

/** True if every user may enter the folder and all folders above it. */
export function isReachable(path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat || (stat.mode & 0o001) === 0) return false;
  return dirname(path) === path || isReachable(dirname(path));
}
