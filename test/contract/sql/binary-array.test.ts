import { expect, test } from 'vitest';
import { jsonbArray, textArray } from '../../../packages/postgres/src/binary-array.ts';
import { connectPostgres } from '../../helpers/isolated.ts';

const texts = [
  '',
  ' ',
  'a',
  'NULL',
  '"',
  '\\',
  '{a,b}',
  'é',
  '日本語',
  '😀',
  '\u0001\u001f',
  'x'.repeat(100_000),
];

test.each([{ items: texts }, { items: ['one'] }, { items: [] }])(
  '$items.length texts arrive as they are',
  async ({ items }) => {
    const { rows } = await connectPostgres().query('SELECT $1::text[] AS items', [textArray(items)]);
    expect(rows).toEqual([{ items }]);
  },
);

test.each([{ items: [...texts, null] }, { items: [null] }, { items: [] }])(
  '$items.length states arrive as what their JSON says, null as NULL',
  async ({ items }) => {
    const states = items.map((item) =>
      item === null ? null : JSON.stringify({ [item.slice(0, 9)]: [item, 0.1, null] }),
    );
    const { rows } = await connectPostgres().query<{ items: string[] }>(
      'SELECT array_agg(state::text ORDER BY position) AS items FROM unnest($1::jsonb[]) WITH ORDINALITY AS given (state, position)',
      [jsonbArray(states)],
    );
    const arrived = rows[0]?.items ?? [];
    expect(arrived.map((state) => state && JSON.parse(state))).toEqual(
      states.map((state) => state && JSON.parse(state)),
    );
  },
);

test('what is no JSON is refused with the code it has as text', async () => {
  const refused = connectPostgres().query('SELECT $1::jsonb[]', [jsonbArray(['{'])]);
  await expect(refused).rejects.toMatchObject({ code: '22P02' });
});
