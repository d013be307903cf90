import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { providePostgres, provideRedis, startPostgres, startRedis } from '@cauce/dev-services';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cauce-unusual-'));
  chmodSync(folder, 0o755);
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

describe('a folder for temporary files', () => {
  it.each(['missing', 'a-file'])('that cannot be used (%s) is named, with what to do', async (name) => {
    writeFileSync(join(folder, 'a-file'), '');
    vi.stubEnv('TMPDIR', join(folder, name));
    await expect(startRedis()).rejects.toMatchObject({
      name: 'ServerError',
      code: 'SERVER_UNSUPPORTED',
      message: expect.stringMatching(new RegExp(`${name}.*Set TMPDIR to a folder`, 's')),
    });
  });

  it('may have a path that is too long for a Unix socket', async () => {
    const long = join(folder, 'x'.repeat(100));
    mkdirSync(long, { mode: 0o755 });
    vi.stubEnv('TMPDIR', long);
    await using postgres = await startPostgres();
    await using redis = await startRedis();
    expect([postgres.dataDir, redis.dataDir]).toEqual([
      expect.stringContaining(long),
      expect.stringContaining(long),
    ]);
    const client = new pg.Client({ connectionString: postgres.url });
    await client.connect();
    expect((await client.query('SHOW unix_socket_directories')).rows).toEqual([
      { unix_socket_directories: '' },
    ]);
    await client.end();
  });
});

describe('a machine without network', () => {
  /** As apt-get of Debian 12 does: `update` warns and exits 0, `install` only knows that there is no such package. */
  const aptGet = `#!/bin/sh
case "$*" in
*update*)
  echo "W: Failed to fetch http://deb.debian.org/debian/dists/bookworm/InRelease  Temporary failure resolving 'deb.debian.org'" >&2
  echo "W: Some index files failed to download. They have been ignored, or old ones used instead." >&2 ;;
*) echo "E: Unable to locate package" >&2; exit 100 ;;
esac
`;

  it.each([
    ['Redis', provideRedis],
    ['PostgreSQL', providePostgres],
  ])(
    'gets an error that the lists of packages could not be fetched, and why, when it lacks %s',
    async (_, provide) => {
      for (const [name, text] of Object.entries({ 'apt-get': aptGet, 'dpkg-deb': '#!/bin/sh\n' })) {
        writeFileSync(join(folder, name), text, { mode: 0o755 });
      }
      const nowhere = { env: { PATH: folder }, cacheFolder: join(folder, 'cache'), versionFolders: [] };
      await expect(provide(nowhere)).rejects.toMatchObject({
        code: 'SERVER_MISSING',
        message: expect.stringContaining("Temporary failure resolving 'deb.debian.org'"),
      });
    },
  );
});
