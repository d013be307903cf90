import { ABSENT_VERSION, compareVersions, type Version } from '@cauce/protocol';
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
