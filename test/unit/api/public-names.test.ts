import { describe, expect, it } from 'vitest';
import { readPublicPackages } from './public-names.ts';

/** Names of the lines of a README that explain names: "- `one`, `other(argument)`: what they are". */
function explainedIn(readme: string): string[] {
  const subjects = [...readme.matchAll(/^- ((?:`[^`]+`(?:,\s+)?)+):/gm)].map(([, subject = '']) => subject);
  return subjects.flatMap((subject) => [...subject.matchAll(/`(\w+)/g)].map(([, name = '']) => name));
}

describe.each(readPublicPackages())('$name', ({ folder, entryPoints, readme = '' }) => {
  // What one of our packages shows to another of ours is not for readers.
  const names = [...entryPoints].flatMap(([entry, exported]) =>
    entry.endsWith('/internal') ? [] : exported,
  );

  // `npx vitest run --project unit test/unit/api -u` writes the files: what is public changes on purpose only.
  it('exports what it is known to export', async () => {
    const sections = [...entryPoints].map(([entry, exported]) =>
      [entry, ...exported.map(({ kind, name }) => `  ${kind} ${name}`), ''].join('\n'),
    );
    await expect(sections.join('\n')).toMatchFileSnapshot(`./${folder}.txt`);
  });

  it('has a README that explains every value it exports, and nothing that it does not', () => {
    const explained = new Set(explainedIn(readme));
    const values = names.filter(({ kind }) => kind === 'value').map(({ name }) => name);
    expect(values.filter((name) => !explained.has(name))).toEqual([]);
    const exported = new Set(names.map(({ name }) => name));
    expect([...explained].filter((name) => !exported.has(name))).toEqual([]);
  });
});
