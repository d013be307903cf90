import { createKeyspace, type StreamEntry } from '@cauce/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeBatch } from '../../../packages/sync-consumer/src/pipeline/decode-batch.ts';
import { dedupeBySession } from '../../../packages/sync-consumer/src/pipeline/dedupe-by-session.ts';

const keyspace = createKeyspace({ keyPrefix: 'unit', partitions: 4 });
const locate = (userId: string) => keyspace.locate({ tenantId: 'acme', userId });
const entry = (id: string, userId: string): StreamEntry => [id, ['k', locate(userId).key]];

test('entries become events of their session, those Cauce did not write are reported with their id', () => {
  const ana = locate('ana');
  const elsewhere = (ana.partition + 1) % 4;
  const decoded = decodeBatch(keyspace, [
    {
      partition: ana.partition,
      entries: [
        entry('1-0', 'ana'),
        ['2-0', ['x', 'y']],
        ['3-0', null],
        ['4-0', []],
        ['5-0', ['k', 'not a key']],
        ['6-0', ['k']],
        ['7-0', ['k', ana.key.replace('unit:', 'other:')]],
      ],
    },
    { partition: elsewhere, entries: [entry('8-0', 'ana')] },
  ]);
  expect(decoded.events).toEqual([{ id: '1-0', session: ana }]);
  expect(decoded.malformed).toEqual([
    ...['2-0', '3-0', '4-0', '5-0', '6-0', '7-0'].map((id) => ({ partition: ana.partition, id })),
    { partition: elsewhere, id: '8-0' },
  ]);
});

test('no entry is lost between events and malformed, whatever its fields (P4, P9)', () => {
  const fields = fc.option(fc.array(fc.oneof(fc.constant('k'), fc.constant(locate('ana').key), fc.string())));
  fc.assert(
    fc.property(fc.array(fields, { maxLength: 50 }), (all) => {
      const entries = all.map((one, i): StreamEntry => [`${i}-0`, one]);
      const { events, malformed } = decodeBatch(keyspace, [{ partition: locate('ana').partition, entries }]);
      const ids = [...events, ...malformed].map(({ id }) => id);
      expect(new Set(ids)).toEqual(new Set(entries.map(([id]) => id)));
      expect(ids).toHaveLength(entries.length);
    }),
  );
});

test('one entry a session, in order of appearance, with every event id: no statement meets a row twice', () => {
  const events = [
    ['1-0', 'ana'],
    ['2-0', 'bea'],
    ['3-0', 'ana'],
    ['4-0', 'ana'],
  ].map(([id = '', user = '']) => ({ id, session: locate(user) }));
  expect(dedupeBySession(events)).toEqual([
    { session: locate('ana'), eventIds: ['1-0', '3-0', '4-0'] },
    { session: locate('bea'), eventIds: ['2-0'] },
  ]);
  expect(dedupeBySession([])).toEqual([]);
});

test('no event id is lost or doubled, no session comes twice (P4)', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('a', 'b', 'c', 'á', 'A', '%')), (users) => {
      const events = users.map((user, i) => ({ id: `${i}-0`, session: locate(user) }));
      const announced = dedupeBySession(events);
      expect(announced.flatMap(({ eventIds }) => eventIds).sort()).toEqual(events.map(({ id }) => id).sort());
      expect(new Set(announced.map(({ session }) => session.key)).size).toBe(announced.length);
      for (const { session, eventIds } of announced) {
        for (const id of eventIds) expect(events[Number.parseInt(id, 10)]?.session.key).toBe(session.key);
      }
    }),
  );
});
