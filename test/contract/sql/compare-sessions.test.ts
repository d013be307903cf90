import type { SessionRow } from '@cauce/postgres';
import { expect, test } from 'vitest';
import { createPipeline } from '../../helpers/pipeline.ts';
import { sessionRow, tombstone, versionAt } from './rows.ts';

test('names every difference and its position, and says nothing of equal sessions', async () => {
  const { queries } = await createPipeline();
  await queries.upsertSessions([
    sessionRow('equal', 5),
    sessionRow('older row', 4),
    sessionRow('newer row', 6),
    sessionRow('other state', 5, 'in PostgreSQL'),
    sessionRow('deleted in redis', 5),
    tombstone('deleted in postgres', 5),
    tombstone('both deleted', 5),
  ]);
  const held = [
    sessionRow('equal', 5),
    sessionRow('missing', 5),
    sessionRow('older row', 5),
    sessionRow('newer row', 5),
    sessionRow('other state', 5, 'in Redis'),
    tombstone('deleted in redis', 5),
    sessionRow('deleted in postgres', 5),
    tombstone('both deleted', 5),
  ];
  expect(await queries.compareSessions(held)).toEqual([
    { position: 1, difference: 'missing', storedVersion: undefined },
    { position: 2, difference: 'older_row', storedVersion: versionAt(4) },
    { position: 3, difference: 'newer_row', storedVersion: versionAt(6) },
    { position: 4, difference: 'other_state', storedVersion: versionAt(5) },
    { position: 5, difference: 'other_state', storedVersion: versionAt(5) },
    { position: 6, difference: 'other_state', storedVersion: versionAt(5) },
  ]);
});

test.each([
  ['key order', '{"a":1,"b":2}', '{"b":2,"a":1}'],
  ['white space', '{"a":[1,2]}', '{ "a" : [ 1 , 2 ] }'],
  ['escapes', '{"a":"\\u00e9\\/"}', '{"a":"é/"}'],
  ['number spelling', '{"a":1e2}', '{"a":100}'],
  ['a duplicate key', '{"a":1,"a":2}', '{"a":2}'],
])('another spelling of the same JSON is no difference: %s', async (_, stored, held) => {
  const { queries } = await createPipeline();
  const row: SessionRow = { ...sessionRow('ana', 1), state: stored };
  await queries.upsertSessions([row]);
  expect(await queries.compareSessions([{ ...row, state: held }])).toEqual([]);
});

test('a tombstone whose row was purged is no difference; a purged state is', async () => {
  const { queries } = await createPipeline();
  expect(await queries.compareSessions([tombstone('ana', 1), sessionRow('bea', 1)])).toEqual([
    { position: 1, difference: 'missing', storedVersion: undefined },
  ]);
});

test('a tombstone in Redis over an older state in PostgreSQL is a difference: the delete has not arrived', async () => {
  const { queries } = await createPipeline();
  await queries.upsertSessions([sessionRow('ana', 1)]);
  expect(await queries.compareSessions([tombstone('ana', 2)])).toEqual([
    { position: 0, difference: 'older_row', storedVersion: versionAt(1) },
  ]);
});

test('a state of JSON null differs from a tombstone of the same version', async () => {
  const { queries } = await createPipeline();
  await queries.upsertSessions([sessionRow('ana', 1, null)]);
  expect(await queries.compareSessions([sessionRow('ana', 1, null)])).toEqual([]);
  expect(await queries.compareSessions([tombstone('ana', 1)])).toMatchObject([{ difference: 'other_state' }]);
});

test('the last two versions are not mixed up (F18)', async () => {
  const { queries } = await createPipeline();
  const row = { ...sessionRow('ana', 1), version: '4503599627370494' };
  await queries.upsertSessions([row]);
  expect(await queries.compareSessions([{ ...row, version: '4503599627370495' }])).toEqual([
    { position: 0, difference: 'older_row', storedVersion: '4503599627370494' },
  ]);
});

test('nothing to compare, no difference', async () => {
  const { queries } = await createPipeline();
  await queries.upsertSessions([sessionRow('ana', 1)]);
  expect(await queries.compareSessions([])).toEqual([]);
});
