import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { mutants } from '../../mutants/mutants.ts';

const root = join(import.meta.dirname, '../../..');

it('every mutant has a name of its own', () => {
  const names = mutants.map(({ name }) => name);
  expect(names).toEqual([...new Set(names)]);
  expect(names.length).toBeGreaterThan(30);
});

it.each(mutants)('$name applies: its text is there exactly once', ({ file, find, replace }) => {
  expect(readFileSync(join(root, file), 'utf8').split(find)).toHaveLength(2);
  expect(replace).not.toBe(find);
});

it.each(mutants)('$name names tests that exist', ({ tests }) => {
  expect(tests.length).toBeGreaterThan(0);
  expect(tests.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

it('every promise that is kept by code has a mutant', () => {
  const promises = new Set(mutants.map(({ promise }) => promise));
  expect([...promises].sort()).toEqual(['P1', 'P10', 'P2', 'P3', 'P4', 'P5', 'P6', 'P7', 'P8', 'P9']);
});
