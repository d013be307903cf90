import { expect, test } from 'vitest';
import { explore } from './explore.ts';
import type { Bounds, Weakness } from './session-model.ts';

const bounds: Bounds = { operations: 3, evictions: 1, crashes: 1, clockSteps: 1, streamFaults: 1, purges: 1 };

test('the protocol as built: no interleaving breaks P1 to P6 or P8', () => {
  const { states, violation, stepNames } = explore(bounds);
  process.stdout.write(
    `the protocol as built: ${states} states, ${violation ? violation.name : '0 violations'}\n`,
  );
  expect(violation).toBeUndefined();
  expect(states).toBeGreaterThan(100_000);
  for (const step of [
    'claim',
    'adopt',
    'superseded',
    'hydrate: refused',
    'sweep',
    'purge',
    'compare-and-set: conflict',
  ]) {
    expect([...stepNames].some((name) => name.startsWith(step))).toBe(true);
  }
});

const weaknesses: { weakness: keyof Weakness; violations: readonly string[] }[] = [];
test.each(weaknesses)('without its safeguard ($weakness) the protocol breaks', ({ weakness, violations }) => {
  const { states, violation } = explore(bounds, { [weakness]: true });
  process.stdout.write(
    `${weakness}: ${violation?.name ?? 'nothing found'} after ${states} states: ${violation?.history.join(' → ')}\n`,
  );
  expect(violations).toContain(violation?.name);
});
