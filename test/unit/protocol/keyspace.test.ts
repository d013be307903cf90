import { createKeyspace, InvalidIdError, InvalidOptionError } from '@cauce/protocol';
import fc from 'fast-check';
import { expect, it } from 'vitest';

const keyspace = createKeyspace();
const id = fc
  .string({
    unit: fc.constantFrom(':', '{', '}', '%', '*', '?', '[', ']', 'a', '1', 's', 'ñ', '🦤', ' '),
    maxLength: 15,
  })
  .filter((text) => text !== '');

it('F10 a located session reads back from its key', () => {
  fc.assert(
    fc.property(id, id, (tenantId, userId) => {
      const located = keyspace.locate({ tenantId, userId });
      expect(keyspace.parse(located.key)).toEqual(located);
      expect(located.partition).toBeGreaterThanOrEqual(0);
      expect(located.partition).toBeLessThan(64);
    }),
    { numRuns: 1000 },
  );
});

it('F10 all keys of a session have the hash tag of its partition first and no other braces', () => {
  fc.assert(
    fc.property(id, id, (tenantId, userId) => {
      const located = keyspace.locate({ tenantId, userId });
      expect(located.key.match(/[{}][^{}]*/g)).toHaveLength(2);
      expect(located.key.startsWith(`sess:{${located.partition}}:`)).toBe(true);
    }),
  );
});

it('F10 a session key is never a partition key or a tenant key', () => {
  fc.assert(
    fc.property(id, id, (tenantId, userId) => {
      const { key, partition } = keyspace.locate({ tenantId, userId });
      const others = [
        keyspace.changes(partition),
        keyspace.dirty(partition),
        keyspace.meta(partition),
        keyspace.parked(partition),
        keyspace.consumers(),
        ...Object.values(keyspace.tenant(tenantId)),
      ];
      expect(new Set([key, ...others]).size).toBe(others.length + 1);
      for (const other of others) expect(keyspace.parse(other)).toBeUndefined();
    }),
  );
});

const { key, partition } = keyspace.locate({ tenantId: 'acme', userId: 'ana' });

it.each([
  ['of another prefix', key.replace('sess:', 'other:')],
  ['with something before the prefix', `x${key}`],
  ['with a part more', `${key}:x`],
  ['with a part less', key.replace(':ana', '')],
  [
    'in a partition where nobody would look for it',
    key.replace(`{${partition}}`, `{${(partition + 1) % 64}}`),
  ],
  ['in a partition written otherwise', key.replace(`{${partition}}`, `{0${partition}}`)],
  ['that is not encoded', key.replace('ana', 'a*')],
  ['encoded where it need not be', key.replace('ana', '%61na')],
  ['encoded in lower case', keyspace.locate({ tenantId: 'acme', userId: 'ñ' }).key.toLowerCase()],
  ['with an empty id', key.replace('ana', '')],
  ['of a lease', key.replace(':s:', ':l:')],
  ['with a line feed after it', `${key}\n`],
  ['', ''],
])('F10 a key %s is not one of this keyspace', (_, foreign) => {
  expect(keyspace.parse(foreign)).toBeUndefined();
});

it('F10 parsing any text never throws', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const parsed = keyspace.parse(text);
      if (parsed) expect(parsed.key).toBe(text);
    }),
  );
});

it('a key of another partition count is refused where the partition differs', () => {
  const fewer = createKeyspace({ partitions: 2 });
  const refs = Array.from({ length: 200 }, (_, i) => ({ tenantId: 'acme', userId: `user${i}` }));
  for (const ref of refs) {
    const parsed = fewer.parse(keyspace.locate(ref).key);
    expect(parsed === undefined).toBe(keyspace.locate(ref).partition >= 2);
  }
});

it.each([
  ['user numbers', (i: number) => `user${i}`],
  ['phone numbers', (i: number) => `+3460000${String(i).padStart(4, '0')}`],
  ['large numbers', (i: number) => String(9_000_000_000 + 64 * i)],
])(
  '10,000 users spread over 64 partitions: the fullest has less than 1.5 times its share (%s)',
  (_, userId) => {
    const counts = Array<number>(64).fill(0);
    for (let i = 0; i < 10_000; i++) {
      const at = keyspace.locate({ tenantId: 'acme', userId: userId(i) }).partition;
      counts[at] = (counts[at] ?? 0) + 1;
    }
    expect(Math.max(...counts) / (10_000 / 64)).toBeLessThan(1.5);
    expect(Math.min(...counts)).toBeGreaterThan(0);
  },
);

it('the partition of a session is fixed for the life of the data', () => {
  // Taken from the first release. A change here loses every stored session.
  expect(keyspace.locate({ tenantId: 'acme', userId: 'ana' }).key).toBe('sess:{56}:s:acme:ana');
  expect(keyspace.locate({ tenantId: 'default', userId: 'a:b {c}' }).key).toBe(
    'sess:{50}:s:default:a%3Ab%20%7Bc%7D',
  );
  expect(keyspace.locate({ tenantId: 'ñ', userId: '🦤' }).key).toBe('sess:{50}:s:%C3%B1:%F0%9F%A6%A4');
});

it.each(['', 'a:b', 'a{b', 'a b', 'x'.repeat(65), 'ñ', 'a\n'])('prefix %j is refused', (keyPrefix) => {
  expect(() => createKeyspace({ keyPrefix })).toThrow(InvalidOptionError);
});

it.each([0, -1, 3, 1.5, 2048, Number.NaN, Number.POSITIVE_INFINITY])(
  '%s partitions are refused',
  (partitions) => {
    expect(() => createKeyspace({ partitions })).toThrow(InvalidOptionError);
  },
);

it('every power of two up to 1024 is a partition count', () => {
  for (let partitions = 1; partitions <= 1024; partitions *= 2) {
    expect(createKeyspace({ partitions }).locate({ tenantId: 'a', userId: 'b' }).partition).toBeLessThan(
      partitions,
    );
  }
});

it('a tenant key refuses what is no id', () => {
  expect(() => keyspace.tenant('')).toThrow(InvalidIdError);
});
