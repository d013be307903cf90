import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';

/** Paths of files in PEM form, for a `rediss` URL. */
export interface RedisTlsFiles {
  /** Certificates of the authorities that signed those of the servers. Default: those Node.js knows. */
  readonly caFile?: string | undefined;
  /** This client's certificate, where the servers ask for one. */
  readonly certFile?: string | undefined;
  /** Its private key, without a passphrase. */
  readonly keyFile?: string | undefined;
}

/** What the files hold, for `tls.connect`. */
export interface RedisTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** What is wrong with the files; they are named by the settings that give them. */
export interface RedisTlsProblem {
  readonly name: string;
  readonly message: string;
}

const parts = [
  { part: 'ca', file: 'caFile', name: 'REDIS_TLS_CA_FILE' },
  { part: 'cert', file: 'certFile', name: 'REDIS_TLS_CERT_FILE' },
  { part: 'key', file: 'keyFile', name: 'REDIS_TLS_KEY_FILE' },
] as const;

/** Reads the files. Its problems quote nothing of what a file holds. */
export function readRedisTls(
  files: RedisTlsFiles,
  { isTls }: { readonly isTls: boolean },
): { readonly tls: RedisTls; readonly problems: readonly RedisTlsProblem[] } {
  const tls: { -readonly [Part in keyof RedisTls]: RedisTls[Part] } = {};
  const problems: RedisTlsProblem[] = [];
  for (const { part, file, name } of parts) {
    const path = files[file];
    if (path === undefined) continue;
    if (!isTls) problems.push({ name, message: 'needs a rediss URL; this URL does not use TLS' });
    try {
      tls[part] = readFileSync(path, 'utf8');
      if (!tls[part].includes('-----BEGIN '))
        problems.push({ name, message: `names ${path}, which is not a PEM file` });
    } catch (error) {
      const { code = 'failed' } = error as NodeJS.ErrnoException;
      problems.push({ name, message: `names ${path}, which cannot be read: ${code}` });
    }
  }
  if ((files.certFile === undefined) !== (files.keyFile === undefined)) {
    problems.push({ name: 'REDIS_TLS_CERT_FILE', message: 'and REDIS_TLS_KEY_FILE must be given together' });
  }
  if (problems.length === 0) {
    try {
      createSecureContext(tls);
    } catch {
      const given = parts.filter(({ file }) => files[file] !== undefined).map(({ name }) => name);
      problems.push({
        name: given.join(', '),
        message: 'cannot be used: broken, or the key belongs to another certificate',
      });
    }
  }
  return { tls, problems };
}
