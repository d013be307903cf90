import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const text = readFileSync(join(import.meta.dirname, '../../../docker-compose.yml'), 'utf8');

it('has no top-level key but those that docker-compose 1.29 knows, which Debian 12 ships', () => {
  const keys = [...text.matchAll(/^([\w-]+):/gm)].map(([, key]) => key);
  expect(keys).toEqual(['services', 'volumes']);
});
