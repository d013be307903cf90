import { StateRejectedError } from '@cauce/session-client';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { decodeJson, encodeJson } from '../../../packages/session-client/src/state-codec.ts';

const options = { maxBytes: 1_000_000, what: 'state' } as const;

/** As JSON.stringify has it, -0 is 0. */
function withoutNegativeZero(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

/** What the codec must refuse although JSON holds it. */
function isStorable(text: string): boolean {
  return !/\0|\p{Surrogate}/u.test(text);
}

it('every JSON value is read back as it was saved, or was rejected for a reason PostgreSQL has', () => {
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: 'binary', maxDepth: 8 }), (value) => {
      const text = JSON.stringify(value);
      const mayBeRefused = text.includes('\\u0000') || text.includes('__proto__');
      try {
        expect(decodeJson(encodeJson(value, options), 'it')).toEqual(withoutNegativeZero(value));
      } catch (error) {
        if (!(mayBeRefused && error instanceof StateRejectedError)) throw error;
      }
    }),
    { numRuns: 2000 },
  );
});

it('every string is either stored unchanged or rejected, and rejected exactly when PostgreSQL would refuse it', () => {
  const anyUnits = fc
    .array(fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.constantFrom(0, 0xd800, 0xdc00, 0x41)))
    .map((units) => String.fromCharCode(...units));
  fc.assert(
    fc.property(anyUnits, (text) => {
      if (isStorable(text)) {
        expect(decodeJson(encodeJson([text], options), 'it')).toEqual([text]);
      } else {
        expect(() => encodeJson([text], options)).toThrow(StateRejectedError);
        expect(() => encodeJson({ [text]: 1 }, options)).toThrow(StateRejectedError);
      }
    }),
    { numRuns: 2000 },
  );
});

it('any value at all is either rejected or stored as JSON.stringify would, never something else', () => {
  const anything = fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withSet: true,
    withBoxedValues: true,
    withNullPrototype: true,
    withObjectString: true,
    withTypedArray: true,
    withSparseArray: true,
  });
  fc.assert(
    fc.property(anything, (value) => {
      let text: string;
      try {
        text = encodeJson(value, options);
      } catch (error) {
        expect(error).toBeInstanceOf(StateRejectedError);
        return;
      }
      expect(text).toBe(JSON.stringify(value));
    }),
    { numRuns: 2000 },
  );
});
