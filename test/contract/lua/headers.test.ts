import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createKeyspace, createScripts } from '@cauce/protocol';
import { describe, expect, it } from 'vitest';
import { connectRedis } from '../../helpers/isolated.ts';

const folder = join(import.meta.dirname, '../../../packages/protocol/lua');
const files = readdirSync(folder)
  .filter((file) => file.endsWith('.lua'))
  .map((file) => ({ file, name: file.replace('.lua', ''), lines: linesOf(file) }));

function linesOf(file: string): string[] {
  return readFileSync(join(folder, file), 'utf8').split('\n');
}

/** The comment block after the shebang, without the dashes. */
function headerOf(lines: readonly string[]): string[] {
  const end = lines.findIndex((line, i) => i > 0 && !line.startsWith('--'));
  return lines.slice(1, end).map((line) => line.replace(/^-- ?/, ''));
}

/** What one section of the header says, on one line. */
function sectionOf(lines: readonly string[], title: string): string {
  const header = headerOf(lines);
  const from = header.findIndex((line) => line.startsWith(title));
  if (from < 0) return '';
  const rest = header.slice(from + 1);
  const to = rest.findIndex((line) => /^\S/.test(line));
  const section = [header[from]?.slice(title.length), ...(to < 0 ? rest : rest.slice(0, to))];
  return section.join('  ');
}

/** `1 changes  stream    2 dirty  zset    3.. session  hash` → changes, dirty. Variadic ones have no name of their own. */
function listed(section: string): string[] {
  const names: string[] = [];
  for (const [, index, name = ''] of section.matchAll(/(?:^|\s{2,})(\d+) ([A-Za-z]+)(?=[\s,]|$)/g)) {
    if (Number(index) === names.length + 1) names.push(name);
  }
  return names;
}

/** The names the first paragraph binds to KEYS[1], KEYS[2], … or to ARGV[1], …, in that order. */
function bound(bindings: string, array: 'KEYS' | 'ARGV'): string[] {
  const names: string[] = [];
  for (const [, left = '', right = ''] of bindings.matchAll(/^local ([\w, ]+?) =\s+(.*)$/gm)) {
    const variables = left.split(', ');
    // A comma inside parentheses belongs to a call: string.format('%.0f', ARGV[5]).
    for (const [i, value] of right.split(/, (?![^(]*\))/).entries()) {
      const index = new RegExp(`${array}\\[(\\d+)\\]`).exec(value)?.[1];
      if (index) names[Number(index) - 1] = variables[i] ?? '';
    }
  }
  return names;
}

describe.each(files)('$file', ({ name, lines }) => {
  const header = headerOf(lines);
  const [bindings = '', ...rest] = lines
    .slice(header.length + 2)
    .join('\n')
    .split('\n\n');
  const body = rest.join('\n\n');

  it('starts with a shebang and says its name and purpose', () => {
    expect(lines[0]).toMatch(/^#!lua( flags=(allow-oom|no-writes))?$/);
    expect(header[0]).toMatch(new RegExp(`^${name}: \\S.{20,}`));
  });

  it('says what it takes, returns and writes', () => {
    for (const title of ['KEYS', 'ARGV', 'Returns', 'Writes'])
      expect(sectionOf(lines, title), title).not.toBe('');
  });

  it.each(['KEYS', 'ARGV'] as const)('lists every %s it binds, under the same number and name', (array) => {
    expect(bound(bindings, array)).toEqual(listed(sectionOf(lines, array)));
  });

  it('reads KEYS and ARGV by number in the bindings only, below them in loops over a documented rest', () => {
    const loops = [...body.matchAll(/(KEYS|ARGV)\[([^\]]+)\]/g)];
    expect(loops.filter(([, , subscript = '']) => /^\d+$/.test(subscript))).toEqual([]);
    for (const [, array = ''] of loops) expect(sectionOf(lines, array)).toMatch(/\d\.\. |for each /);
  });

  it('is not refused when memory is full, or is refused before it starts, as its header says', () => {
    const runsWhenFull = /flags=(allow-oom|no-writes)/.test(lines[0] ?? '');
    const isSave = ['save', 'lease', 'restore', 'confirm', 'cache-tenant'].includes(name);
    expect(runsWhenFull).toBe(!isSave);
  });

  it('never writes a number with tostring, which would corrupt a version', () => {
    expect(body.replace(/--.*$/gm, '')).not.toMatch(/tostring\(/);
  });
});

it('every script has a method of the façade, and every method a script', () => {
  const redis = connectRedis();
  const scripts = createScripts({ redis, keyspace: createKeyspace() }, { timeoutMs: 1000 });
  const methods = files.map(({ name }) => name.replace(/-(\w)/g, (_, letter) => letter.toUpperCase()));
  expect(Object.keys(scripts).sort()).toEqual(methods.sort());
});
