import { createKeyspace, decodeEvent } from '@cauce/protocol';
import fc from 'fast-check';
import { expect, it } from 'vitest';

const keyspace = createKeyspace();
const session = keyspace.locate({ tenantId: 'acme', userId: 'ana' });

it('an event names its session', () => {
  expect(decodeEvent(keyspace, session.partition, ['1-0', ['k', session.key]])).toEqual({
    ok: true,
    event: { id: '1-0', session },
  });
});

it('fields a later release adds are passed over', () => {
  const fields = ['x', 'k', 'k', session.key, 'y', '1'];
  // The first 'k' is a value, not a field: guessing would be wrong, reporting is safe.
  expect(decodeEvent(keyspace, session.partition, ['1-0', ['x', '1', 'k', session.key]])).toMatchObject({
    ok: true,
  });
  expect(decodeEvent(keyspace, session.partition, ['1-0', fields])).toMatchObject({ ok: false });
});

it.each<[string, string[] | null]>([
  ['that was deleted while it was pending', null],
  ['without fields', []],
  ['without the key', ['x', session.key]],
  ['whose key is missing', ['k']],
  ['whose key is empty', ['k', '']],
  ['of another keyspace', ['k', session.key.replace('sess', 'other')]],
  ['whose value is the field name', ['x', 'k']],
  ['whose value is the field name, before a field named like a session', ['x', 'k', session.key, '1']],
])('P9 an entry %s is reported with its id, not guessed at', (_, fields) => {
  expect(decodeEvent(keyspace, session.partition, ['7-1', fields])).toEqual({ ok: false, id: '7-1' });
});

it('P9 an event in the stream of another partition is reported', () => {
  const other = (session.partition + 1) % 64;
  expect(decodeEvent(keyspace, other, ['7-1', ['k', session.key]])).toEqual({ ok: false, id: '7-1' });
});

it('P9 garbage never throws', () => {
  const garbage = fc.oneof(
    fc.constant(null),
    fc.array(fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('k', session.key))),
  );
  fc.assert(
    fc.property(garbage, (fields) => {
      const decoded = decodeEvent(keyspace, session.partition, ['7-1', fields]);
      if (decoded.ok) expect(fields).toContain(decoded.event.session.key);
      else expect(decoded.id).toBe('7-1');
    }),
    { numRuns: 1000 },
  );
});
