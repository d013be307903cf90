import { hashJson, hashState } from '@cauce/history';
import { expect, it } from 'vitest';

it('is the same for what jsonb holds as the same', () => {
  const state = { b: [1, { y: null, x: 'é' }], a: 0, '10': true, '9': 1e21 };
  expect(hashState(state)).toMatch(/^[\w-]{43}$/);
  expect(hashState({ '9': 1e21, a: -0, '10': true, b: [1, { x: 'é', y: null }] })).toBe(hashState(state));
  expect(hashState({ ...state, left: undefined })).toBe(hashState(state));
  expect(
    hashJson(
      '{"9": 1000000000000000000000, "a": 7, "a": -0.0, "10": true, "b": [1.0, {"x":"\\u00e9","y":null}]}',
    ),
  ).toBe(hashState(state));
});

it('differs for what differs', () => {
  const states = [
    {},
    [],
    null,
    '',
    0,
    false,
    [0],
    ['0'],
    { a: 1 },
    { a: '1' },
    [1, 2],
    [2, 1],
    [[1], 2],
    { a: { b: 1 } },
  ];
  expect(new Set(states.map(hashState)).size).toBe(states.length);
  expect(hashState({ __proto__: null, a: 1 })).toBe(hashState({ a: 1 }));
  expect(hashJson('{"__proto__":{"a":1}}')).not.toBe(hashJson('{}'));
});

it('refuses what is not JSON', () => {
  expect(() => hashState(undefined)).toThrow();
  expect(() => hashState({ a: 1n })).toThrow(TypeError);
  expect(() => hashJson('{')).toThrow(SyntaxError);
});
