import { CorruptSessionError, StateRejectedError, StateTooLargeError } from '@cauce/session-client';
import { describe, expect, it } from 'vitest';
import { decodeJson, encodeJson } from '../../../packages/session-client/src/state-codec.ts';

const encode = (value: unknown, maxBytes = 1000): string => encodeJson(value, { maxBytes, what: 'state' });

function rejection(value: unknown): StateRejectedError {
  try {
    encode(value, 100_000);
  } catch (error) {
    if (error instanceof StateRejectedError) return error;
    throw error;
  }
  throw new Error('It was accepted.');
}

function nested(levels: number): unknown {
  let value: unknown = 0;
  for (let level = 0; level < levels; level++) value = level % 2 === 0 ? [value] : { a: value };
  return value;
}

class Cart {
  items = 1;
}

describe('a state that JSON can hold is stored as it is', () => {
  const accepted: [string, unknown, string][] = [
    ['an object', { a: 1, b: 'x', c: [true, null] }, '{"a":1,"b":"x","c":[true,null]}'],
    ['a bare string', 'ñ 😀', '"ñ 😀"'],
    ['a bare number', 1.5e-7, '1.5e-7'],
    ['null', null, 'null'],
    ['false', false, 'false'],
    ['an empty object', {}, '{}'],
    ['an object without prototype', Object.assign(Object.create(null), { a: 1 }), '{"a":1}'],
    ['a Date, as its toJSON says', { at: new Date(0) }, '{"at":"1970-01-01T00:00:00.000Z"}'],
    ['a class instance with toJSON', { toJSON: () => ({ kind: 'money' }) }, '{"kind":"money"}'],
    ['undefined members, left out as JSON does', { a: undefined, b: 1 }, '{"b":1}'],
    ['-0, as 0', { a: -0 }, '{"a":0}'],
    ['control characters except \\u0000', { a: '\u0001\u001f\n' }, '{"a":"\\u0001\\u001f\\n"}'],
    ['keys that name members of Object', { constructor: 1, toString: 2 }, '{"constructor":1,"toString":2}'],
    ['a member named toJSON that is data', { toJSON: 'x' }, '{"toJSON":"x"}'],
    ['the same object twice', ((part) => ({ a: part, b: part }))({ c: 1 }), '{"a":{"c":1},"b":{"c":1}}'],
  ];
  it.each(accepted)('%s', (_, value, text) => {
    expect(encode(value)).toBe(text);
  });

  it('nesting of 100 levels', () => {
    expect(decodeJson(encode(nested(100)), 'it')).toEqual(nested(100));
  });
});

describe('what PostgreSQL or JSON would refuse or change is rejected with its path', () => {
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  const withProto = JSON.parse('{"a":{"__proto__":{"isAdmin":true}}}');
  const revoked = Proxy.revocable({}, {});
  revoked.revoke();
  const rejected: [string, unknown, string, string][] = [
    ['undefined', undefined, '$', 'clearUserState'],
    ['NaN', { cart: { items: [0, 1, { price: Number.NaN }] } }, '$.cart.items[2].price', 'NaN'],
    ['Infinity', [Number.POSITIVE_INFINITY], '$[0]', 'Infinity'],
    ['-Infinity', { a: Number.NEGATIVE_INFINITY }, '$.a', '-Infinity'],
    ['a BigInt', { total: 1n }, '$.total', 'bigint'],
    ['a function', { a: { run: () => 1 } }, '$.a.run', 'function'],
    ['a symbol', [Symbol('s')], '$[0]', 'symbol'],
    ['a symbol as a key', { a: { [Symbol('s')]: 1 } }, '$.a', 'symbol'],
    ['a Map', { seen: new Map() }, '$.seen', 'Map'],
    ['a Set', { seen: new Set() }, '$.seen', 'Set'],
    ['an instance of a class', { cart: new Cart() }, '$.cart', 'Cart'],
    ['an Error', [new Error('x')], '$[0]', 'Error'],
    ['a boxed string', { a: Object('x') }, '$.a', 'String'],
    ['a typed array', new Uint8Array(1), '$', 'Uint8Array'],
    ['an invalid Date', { at: new Date(Number.NaN) }, '$.at', 'invalid Date'],
    ['what toJSON returns', { a: { toJSON: () => ({ b: [Number.NaN] }) } }, '$.a.b[0]', 'NaN'],
    ['a class instance that toJSON returns', { a: { toJSON: () => new Map() } }, '$.a', 'Map'],
    ['undefined inside an array', { a: [1, undefined] }, '$.a[1]', 'undefined'],
    // biome-ignore lint/suspicious/noSparseArray: the hole is what is tested
    ['a hole in an array', [1, , 2], '$[1]', 'undefined'],
    ['named properties on an array', { a: Object.assign([1], { index: 0 }) }, '$.a', 'named'],
    ['\\u0000 in a string', { a: 'x\0' }, '$.a', 'u0000'],
    ['\\u0000 in a key', { 'a\0': 1 }, '$["a\\u0000"]', 'u0000'],
    ['a lone surrogate in a string', ['ok', 'x\ud800'], '$[1]', 'surrogate'],
    ['a lone surrogate in a key', { '\udc00': 1 }, '$["\\udc00"]', 'surrogate'],
    ['an own __proto__ key', withProto, '$.a.__proto__', '__proto__'],
    ['a getter that throws', Object.defineProperty({}, 'a', { enumerable: true, get: fail }), '$.a', 'threw'],
    ['a toJSON that throws', { a: { toJSON: fail } }, '$.a', 'threw'],
    ['a revoked proxy', { a: revoked.proxy }, '$.a', 'threw'],
    ['an unusual key on the way', { 'a b': { '': 1n } }, '$["a b"][""]', 'bigint'],
  ];
  it.each(rejected)('%s', (_, value, path, reason) => {
    const error = rejection(value);
    expect(error).toMatchObject({ code: 'STATE_REJECTED', retryable: false, path });
    expect(error.reason).toContain(reason);
    expect(error.message).toContain(path);
  });

  it('nesting of 101 levels, and cycles', () => {
    expect(rejection(nested(101)).reason).toContain('deeper than 100');
    const { path, reason } = rejection(cycle);
    expect(reason).toContain('contains itself');
    expect(path).toMatch(/^\$\.self\.self.*…$/);
  });

  it('never says the value', () => {
    const error = rejection({ secret: 'hunter2\0' });
    expect(JSON.stringify({ ...error, message: error.message })).not.toContain('hunter2');
    expect(error.cause).toBeUndefined();
  });
});

describe('the size limit', () => {
  it('counts bytes of UTF-8: exactly maxBytes is accepted, one more is not', () => {
    const state = { a: '😀ñ' };
    const bytes = Buffer.byteLength(JSON.stringify(state));
    expect(encode(state, bytes)).toHaveLength(JSON.stringify(state).length);
    expect(() => encode(state, bytes - 1)).toThrow(StateTooLargeError);
  });

  it('ends a value that explodes because it refers to its parts again and again', () => {
    let value: unknown = 'x';
    for (let level = 0; level < 60; level++) value = { a: value, b: value };
    expect(() => encode(value, 100_000)).toThrow(StateTooLargeError);
  });
});

it('stores what was checked, even if a getter or toJSON answers differently the second time', () => {
  let reads = 0;
  const shifty = {
    get a() {
      return reads++ === 0 ? 1 : Number.NaN;
    },
  };
  expect(encode({ shifty })).toBe('{"shifty":{"a":1}}');
});

describe('reading back', () => {
  it('reports text that is not JSON without quoting it', () => {
    const error = (() => {
      try {
        return decodeJson('hunter2', 'sess:{0}:s:t:u');
      } catch (thrown) {
        return thrown as Error;
      }
    })();
    expect(error).toBeInstanceOf(CorruptSessionError);
    expect(String(error) + String((error as Error).cause)).not.toContain('hunter2');
  });

  it('refuses __proto__ keys, however they are spelled', () => {
    expect(() => decodeJson('{"a":[{"__proto__":{}}]}', 'it')).toThrow(CorruptSessionError);
    expect(() => decodeJson('{"\\u005f_proto__":{}}', 'it')).toThrow(CorruptSessionError);
    expect(decodeJson('{"a":"__proto__"}', 'it')).toEqual({ a: '__proto__' });
  });
});

function fail(): never {
  throw new Error('hunter2');
}
