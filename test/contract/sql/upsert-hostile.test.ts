import type { SessionRow } from '@cauce/postgres';
import { expect, test } from 'vitest';
import { createPipeline } from '../../helpers/pipeline.ts';
import { versionAt } from './rows.ts';

const hostileIds = [
  "o'brien",
  '"quoted"',
  '\\',
  '\\"',
  '\\\\server\\share',
  '%',
  '%s%I%L$1',
  '$1',
  '{',
  '}',
  '{a,b}',
  '{"a"}',
  ',',
  'NULL',
  'null',
  ' ',
  ' padded ',
  'ÀÉ',
  'A\u0300',
  '\u00c0',
  'ß',
  'SS',
  'ss',
  '日本語',
  '😀',
  '👩‍👩‍👧',
  '\u202e',
  '\ufeff',
  "'); DROP TABLE session; --",
  'a'.repeat(256),
  '%25'.repeat(80),
];

const hostileStates: Record<string, unknown> = {
  'nested 100 levels in objects': nest(100, (inner) => ({ a: inner })),
  'nested 100 levels in arrays': nest(100, (inner) => [inner]),
  'quotes and backslashes': { '"': "'", '\\': '\\\\"', "''": '\\u0041' },
  'commas and braces': ['{', '}', '{,}', ',', '{"a":1}', '{}'],
  'strings that say NULL': ['NULL', 'null', '"NULL"', ''],
  'the string NULL': 'NULL',
  'JSON null': null,
  'an empty object': {},
  'an empty key': { '': '' },
  unicode: { ключ: '日本語', '😀': '\u2028\u2029\ufeff\ud83d\ude00' },
  'control characters': '\u0001\u001f\u007f\b\f\n\r\t',
  placeholders: ['$1', '%s', '%I', '{session}', '{session_literal}'],
  'numbers at the edge': [1e308, -1e-300, 9007199254740991, 0.1, 1e21],
  '256 KiB': { text: 'x'.repeat(262_144 - 11) },
  '256 KiB of quotes': { text: '"\\'.repeat(65_000) },
};

function nest(levels: number, wrap: (inner: unknown) => unknown): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level++) value = wrap(value);
  return value;
}

test('every hostile id is a row of its own, found again under the very same id (P9, F10)', async () => {
  const { queries } = await createPipeline();
  const pairs = hostileIds.flatMap((id) => [
    { tenantId: id, userId: 'user' },
    { tenantId: 'tenant', userId: id },
    { tenantId: id, userId: id },
  ]);
  const rows = pairs.map((ref, i): SessionRow => ({ ref, state: String(i), version: versionAt(i) }));
  const written = await queries.upsertSessions(rows);
  expect(new Set(written)).toEqual(new Set(rows));
  expect(await queries.upsertSessions(rows)).toEqual([]);

  const found = await queries.selectSessions(pairs);
  const byVersion = (a: SessionRow, b: SessionRow) => a.version.localeCompare(b.version);
  expect([...found].sort(byVersion)).toEqual([...rows].sort(byVersion));
  expect(await queries.compareSessions(rows)).toEqual([]);
});

test('ids that look alike to people or to a locale stay apart (P9, F10)', async () => {
  const { queries } = await createPipeline();
  const alike = ['a', 'A', 'á', 'a\u0301', 'ａ', ' a', 'a ', 'a\u200b'];
  const rows = alike.map((userId, i) => ({
    ref: { tenantId: 't', userId },
    state: String(i),
    version: versionAt(1),
  }));
  expect(await queries.upsertSessions(rows)).toHaveLength(alike.length);
  expect(await queries.selectSessions(rows.map(({ ref }) => ref))).toHaveLength(alike.length);
});

test.each(Object.entries(hostileStates))('a state arrives as it was saved: %s', async (_, state) => {
  const { queries, row } = await createPipeline();
  const ref = { tenantId: 'acme', userId: 'ana' };
  const neighbour = { tenantId: 'acme', userId: 'bea' };
  const rows = [
    { ref, state: JSON.stringify(state), version: versionAt(1) },
    { ref: neighbour, state: null, version: versionAt(1) },
  ];
  expect(await queries.upsertSessions(rows)).toHaveLength(2);
  expect((await row(ref))?.state).toEqual(state);
  expect(await row(neighbour)).toEqual({ state: null, version: versionAt(1) });
  const [stored] = await queries.selectSessions([ref]);
  expect(JSON.parse(stored?.state ?? '')).toEqual(state);
  expect(await queries.compareSessions(rows)).toEqual([]);
});

test('a session whose state is JSON null is no tombstone', async () => {
  const { queries } = await createPipeline();
  const ref = { tenantId: 'acme', userId: 'ana' };
  await queries.upsertSessions([{ ref, state: 'null', version: versionAt(1) }]);
  expect(await queries.selectSessions([ref])).toEqual([{ ref, state: 'null', version: versionAt(1) }]);
});
