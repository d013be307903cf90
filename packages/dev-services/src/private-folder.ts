import { chownSync, mkdtempSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { messageOf, ServerError } from './server-error.ts';
import type { SystemUser } from './unprivileged-user.ts';

/**
 * Makes a new folder (mode 0700) under the system's temporary folder, owned by `owner` if given.
 *
 * @throws ServerError `SERVER_UNSUPPORTED` if no folder can be made there.
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
  const folder = makeFolder(parent, prefix);
  if (owner) chownSync(folder, owner.uid, owner.gid);
  return folder;
}

function makeFolder(parent: string, prefix: string): string {
  try {
    return mkdtempSync(join(parent, `${prefix}-`));
  } catch (error) {
    throw new ServerError(
      'SERVER_UNSUPPORTED',
      `No folder for temporary files can be made in ${parent} (${messageOf(error)}). ` +
        'Set TMPDIR to a folder you may write to.',
      { cause: error },
    );
  }
}

/** True if every user may enter the folder and all folders above it. */
export function isReachable(path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat || (stat.mode & 0o001) === 0) return false;
  return dirname(path) === path || isReachable(dirname(path));
}
