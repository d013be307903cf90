import { readFileSync } from 'node:fs';
import { ServerError } from './server-error.ts';

export interface SystemUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** PostgreSQL refuses to run as root. The first of these that exists runs it instead. */
const CANDIDATES = ['postgres', 'nobody'];

/**
 * The user PostgreSQL has to run as: undefined (ourselves) unless we are root.
 *
 * @throws ServerError `SERVER_UNSUPPORTED` if we are root and there is no user to switch to.
 */
export function unprivilegedUser(): SystemUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  for (const candidate of CANDIDATES) {
    const [, , uid, gid] = users.find(([name]) => name === candidate) ?? [];
    if (uid && gid) return { name: candidate, uid: Number(uid), gid: Number(gid) };
  }
  throw new ServerError(
    'SERVER_UNSUPPORTED',
    `PostgreSQL does not run as root and there is no user ${CANDIDATES.join(' or ')} to run it as. ` +
      'Create one (useradd --system postgres), or run this as another user.',
  );
}
