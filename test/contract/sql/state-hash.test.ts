import { hashJson, hashState } from '@cauce/history';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { connectPostgres } from '../../helpers/isolated.ts';

test('a state has the hash of what jsonb gives back', async () => {
  const pool = connectPostgres();
  const states = fc
    .sample(fc.jsonValue({ maxDepth: 4, stringUnit: 'grapheme' }), { numRuns: 1000, seed: 7 })
    .filter((state) => !JSON.stringify(state).includes('\\u0000'))
    .concat([5e-324, Number.MAX_VALUE, 1e21, 0.1 + 0.2, { '': -0 }]);
  const { rows } = await pool.query<{ state: string }>(
    `SELECT state::jsonb::text AS state
     FROM unnest($1::text[]) WITH ORDINALITY AS given (state, position) ORDER BY position`,
    [states.map((state) => JSON.stringify(state))],
  );
  expect(rows.map(({ state }) => hashJson(state))).toEqual(states.map(hashState));
});
