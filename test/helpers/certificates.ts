import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
}

export interface Certificates {
  /** Vouches for both below. */
  readonly caFile: string;
  /** An authority that vouches for nobody here. */
  readonly otherCaFile: string;
  /** Of `localhost` and 127.0.0.1. */
  readonly server: Certificate;
  /** Of the client `cauce`. */
  readonly client: Certificate;
}

/** Not every machine has the program that makes them. */
export const canMakeCertificates: boolean = /^OpenSSL [3-9]/.test(
  spawnSync('openssl', ['version'], { encoding: 'utf8' }).stdout ?? '',
);

/** Fresh certificates in a folder of their own, removed after the test. */
export function makeCertificates(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), 'cauce-tls-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = (name: string): string => join(folder, name);
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { stdio: 'pipe' });
  };
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc', '-days', '2'];
  const authority = (name: string): Certificate => {
    const made = { certFile: path(`${name}.pem`), keyFile: path(`${name}.key`) };
    openssl(
      'req',
      '-x509',
      ...newKey,
      '-subj',
      `/CN=${name}`,
      '-keyout',
      made.keyFile,
      '-out',
      made.certFile,
    );
    return made;
  };
  const ca = authority('ca');
  const signed = (name: string, ...extensions: string[]): Certificate => {
    const made = { certFile: path(`${name}.pem`), keyFile: path(`${name}.key`) };
    const by = ['-CA', ca.certFile, '-CAkey', ca.keyFile, ...extensions.flatMap((text) => ['-addext', text])];
    openssl(
      'req',
      '-x509',
      ...newKey,
      '-subj',
      `/CN=${name}`,
      ...by,
      '-keyout',
      made.keyFile,
      '-out',
      made.certFile,
    );
    return made;
  };
  return {
    caFile: ca.certFile,
    otherCaFile: authority('other').certFile,
    server: signed('localhost', 'subjectAltName=DNS:localhost,IP:127.0.0.1'),
    client: signed('cauce'),
  };
}
