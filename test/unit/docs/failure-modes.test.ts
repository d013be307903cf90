import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '../../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const document = read('docs/failure-modes.md');
const rows = document
  .split('\n')
  .filter((line) => line.startsWith('|') && !/^\| you see|^\|---/.test(line))
  .map((line) => line.slice(1, -1).split(' | '));
/** Of the packages that run in production. */
const sources = ['protocol', 'postgres', 'session-client', 'sync-consumer', 'admin', 'cli']
  .flatMap((name) => sourcesBelow(`packages/${name}/src`))
  .map(read)
  .join('\n');

function sourcesBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    if (entry.isDirectory()) return sourcesBelow(`${folder}/${entry.name}`);
    return entry.name.endsWith('.ts') ? [`${folder}/${entry.name}`] : [];
  });
}

function found(pattern: RegExp, text = document): string[] {
  const matches = [...new Set([...text.matchAll(pattern)].map(([, name]) => name ?? ''))];
  expect(matches.length).toBeGreaterThan(3);
  return matches;
}

const testPaths = /`(test\/[^`]+)`/g;

it('every row says what one sees, what holds, where it shows, what to do, and which test proves it', () => {
  expect(rows.length).toBeGreaterThan(30);
  for (const cells of rows) {
    expect(cells).toHaveLength(5);
    for (const cell of cells) expect(cell.trim()).not.toBe('');
    expect(cells[4]).toMatch(/^`test\/\S+\.test\.ts`(, `test\/\S+\.test\.ts`)* $/);
  }
});

it('every test it names exists', () => {
  expect(found(testPaths).filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

it('every fault test has a row', () => {
  const faultTests = readdirSync(join(root, 'test/fault')).filter((name) => name.endsWith('.test.ts'));
  const proofs = rows.map((cells) => cells[4]).join();
  expect(faultTests.filter((name) => !proofs.includes(`\`test/fault/${name}\``))).toEqual([]);
});

it.each(['README.md', 'docs/guarantees.md'])('every proof of %s is a proof here', (path) => {
  const here = found(testPaths);
  const there = found(testPaths, read(path));
  expect(there.filter((path) => !here.includes(path))).toEqual([]);
});

it('every metric and every value of a label it names is one of the sources', () => {
  const registered = found(/'(cauce_\w+)'/g, sources);
  expect(found(/(cauce_\w+)/g).filter((name) => !registered.includes(name))).toEqual([]);
  expect(found(/\{\w+="(\w+)"\}/g).filter((value) => !sources.includes(`'${value}'`))).toEqual([]);
});

it('every log line it quotes is in the sources', () => {
  expect(found(/log: `([^`]+)`/g).filter((line) => !sources.includes(line))).toEqual([]);
});

it('every error code and setting it names is in the sources', () => {
  expect(found(/`([A-Z]+(?:_[A-Z]+)+)`/g).filter((name) => !sources.includes(name))).toEqual([]);
});

it('every command it names is one of `cauce`', () => {
  const commands = found(/name: '([a-z]+(?: [a-z]+)?)'/g, sources);
  const named = found(/(?:`|\n)cauce ([a-z]+(?: (?:list|show|retry|discard|status|start|set|back))?)/g);
  expect(named.filter((name) => !commands.includes(name))).toEqual([]);
});
