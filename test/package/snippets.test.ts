import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { problemsIn } from './compile.ts';
import { root } from './packed.ts';

/** What a reader has: more than one field in the state, for one is easily satisfied. */
const reader = `
interface ChatState { readonly step: string; readonly basket: readonly string[] }
declare const newChat: ChatState;
declare const tenantId: string, userId: string;
declare function loadTenant(tenantId: string): Promise<{ plan: string }>;
declare const redis: import('ioredis').Redis;
declare const loader: import('@cauce/session-client').SessionLoader;
declare const createSessionClient: typeof import('@cauce/session-client').createSessionClient;
`;

const documents = ['README.md', ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`)];
const snippets = documents
  .filter((path) => path.endsWith('.md'))
  .flatMap((path) => {
    const blocks = readFileSync(join(root, path), 'utf8').matchAll(/^```ts\n(.*?)^```/gms);
    return [...blocks].map(([, text = ''], n) => [`${path}.${n + 1}.ts`, `${text}\nexport {};`] as const);
  });

it('every TypeScript snippet of the documents compiles for a state with two required fields', () => {
  expect(snippets.length).toBeGreaterThan(1);
  // Against the types of the build, as an application sees them.
  expect(problemsIn({ 'reader.d.ts': reader, ...Object.fromEntries(snippets) }, {})).toEqual([]);
});
