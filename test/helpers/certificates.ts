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
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc', '-days', '2'];
  const make = (name: string, by: readonly string[] = []): Certificate => {
    const made = { certFile: path(`${name}.pem`), keyFile: path(`${name}.key`) };
    const files = ['-keyout', made.keyFile, '-out', made.certFile];
    execFileSync('openssl', ['req', '-x509', ...newKey, '-subj', `/CN=${name}`, ...by, ...files], {
      stdio: 'pipe',
    });
    return made;
  };
  const ca = make('ca');
  const signed = (name: string, ...extensions: string[]): Certificate =>
    make(name, [
      ...['-CA', ca.certFile, '-CAkey', ca.keyFile],
      ...extensions.flatMap((text) => ['-addext', text]),
    ]);
  return {
    caFile: ca.certFile,
    otherCaFile: make('other').certFile,
    server: signed('localhost', 'subjectAltName=DNS:localhost,IP:127.0.0.1'),
    client: signed('cauce'),
  };
}
