import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ABSENT_VERSION, compareVersions, isVersion, MAX_VERSION, type Version } from '@cauce/protocol';
import fc from 'fast-check';
import { expect, it } from 'vitest';

const version = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }).map(String);

it('F18 versions compare as the integers they are, beyond what a float can tell apart', () => {
  fc.assert(
    fc.property(version, version, (a, b) => {
      expect(Math.sign(compareVersions(a, b))).toBe(
        BigInt(a) < BigInt(b) ? -1 : BigInt(a) > BigInt(b) ? 1 : 0,
      );
    }),
    { numRuns: 2000 },
  );
  expect(compareVersions('9007199254740993', '9007199254740992')).toBeGreaterThan(0);
  expect(compareVersions('999', '1000')).toBeLessThan(0);
});

it('versions sort with it', () => {
  const sorted: Version[] = ['10', '9', '1763830000123000', ABSENT_VERSION];
  expect(sorted.sort(compareVersions)).toEqual(['0', '9', '10', '1763830000123000']);
});

it.each(['1', '1763830000123000', '4503599627370494', MAX_VERSION])('%s is a version', (text) => {
  expect(isVersion(text)).toBe(true);
});

it.each([
  ...['', '0', '01', '-1', '1.5', '1e15', '0x10', 'abc', 'inf', 'nan', ' 1', '1 ', '1\n'],
  ...['4503599627370496', '9007199254740992', '1763830000123456789', 1763830000123000, null, undefined],
])('%j is no version', (value) => {
  expect(isVersion(value)).toBe(false);
});

it('scripts, statements and TypeScript agree on the last version', () => {
  const packages = join(import.meta.dirname, '../../../packages');
  const found = ['protocol/lua', 'postgres/sql/queries', 'postgres/sql/migrations'].flatMap((folder) =>
    readdirSync(join(packages, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .flatMap(({ parentPath, name }) =>
        [...readFileSync(join(parentPath, name), 'utf8').matchAll(/\b\d{16}\b/g)].map(([number]) => number),
      ),
  );
  expect(found.length).toBeGreaterThan(3);
  // What a row may raise a clock to is below it by room for 2^40 saves.
  expect(new Set(found)).toEqual(new Set([MAX_VERSION, String(BigInt(MAX_VERSION) - 2n ** 40n)]));
});
