import { DEFAULT_TENANT_ID, decodeId, encodeId, InvalidIdError, toSessionRef } from '@cauce/protocol';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { MAX_ENCODED_ID_BYTES } from '../../../packages/protocol/src/wire/session-ref.ts';

/** Any text, lone surrogates and control characters included. */
const anyText = fc.string({ unit: 'binary', maxLength: 60 });
/** Text that would break out of a key, a hash tag or a glob. */
const hostileText = fc.string({
  unit: fc.constantFrom(':', '{', '}', '%', '*', '?', '[', ']', '~', "'", 'a', 'ñ', '🦤', ' '),
});

function tryEncode(id: string): string | undefined {
  try {
    return encodeId(id, 'user id');
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidIdError);
    return undefined;
  }
}

it('F10 two different (tenant, user) pairs never give the same text', () => {
  const pair = fc.tuple(fc.oneof(anyText, hostileText), fc.oneof(anyText, hostileText));
  fc.assert(
    fc.property(pair, pair, ([t1, u1], [t2, u2]) => {
      const [a, b, c, d] = [tryEncode(t1), tryEncode(u1), tryEncode(t2), tryEncode(u2)];
      fc.pre([a, b, c, d].every((encoded) => encoded !== undefined));
      expect(`${a}:${b}` === `${c}:${d}`).toBe(t1 === t2 && u1 === u2);
    }),
    { numRuns: 2000 },
  );
});

it('F10 an id is refused, or it is safe in a key and reads back as itself', () => {
  fc.assert(
    fc.property(fc.oneof(anyText, hostileText), (id) => {
      const encoded = tryEncode(id);
      if (encoded === undefined) return;
      expect(encoded).toMatch(/^[A-Za-z0-9%._~-]{1,256}$/);
      expect(decodeId(encoded, 'user id')).toBe(id);
    }),
    { numRuns: 2000 },
  );
});

it('F10 decoding accepts only what encoding would have written', () => {
  fc.assert(
    fc.property(fc.oneof(anyText, hostileText), (text) => {
      const id = decodeId(text, 'tenant id');
      if (id !== undefined) expect(encodeId(id, 'tenant id')).toBe(text);
    }),
    { numRuns: 2000 },
  );
  for (const text of ['a:b', '%', '%zz', '%41', '%c3%b1', '*', '', '%00', 'a b', '%ED%A0%80']) {
    expect(decodeId(text, 'tenant id'), text).toBeUndefined();
  }
});

it.each([
  ['is empty', ''],
  ['NUL', 'a\u0000'],
  ['a line feed', 'a\nb'],
  ['DEL', '\u007f'],
  ['a C1 control', '\u0085'],
  ['a lone high surrogate', 'id\ud800'],
  ['a lone low surrogate', '\udc00id'],
  ['reversed surrogates', '\udc00\ud800'],
])('F10 an id that has or %s is refused', (_, id) => {
  expect(() => encodeId(id, 'user id')).toThrow(InvalidIdError);
});

it('F10 what is not a string is refused without being printed', () => {
  const id = 7 as unknown as string;
  expect(() => encodeId(id, 'user id')).toThrow('The user id is a number; give a string.');
});

it('F10 an id may take 256 bytes encoded and no more, and the message says how many it takes', () => {
  expect(encodeId('x'.repeat(MAX_ENCODED_ID_BYTES), 'user id')).toHaveLength(256);
  expect(encodeId('ñ'.repeat(42), 'user id')).toHaveLength(252);
  expect(() => encodeId('x'.repeat(257), 'user id')).toThrow('257 bytes');
  expect(() => encodeId('ñ'.repeat(43), 'tenant id')).toThrow('The tenant id takes 258 bytes');
});

it('messages name the kind of id and never the id', () => {
  for (const id of ['CANARY\u0000', `CANARY${'x'.repeat(300)}`, 'CANARY\ud800']) {
    try {
      encodeId(id, 'user id');
      expect.fail('accepted');
    } catch (error) {
      expect(String(error)).not.toContain('CANARY');
    }
  }
});

it('a bare user id belongs to the default tenant', () => {
  expect(toSessionRef('ana')).toEqual({ tenantId: DEFAULT_TENANT_ID, userId: 'ana' });
  const ref = { tenantId: 'acme', userId: 'ana' };
  expect(toSessionRef(ref)).toBe(ref);
});
