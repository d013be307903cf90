import { InvalidOptionError } from '@cauce/protocol';
import { expect, test } from 'vitest';
import { queries } from '../../../packages/postgres/src/generated/queries.ts';
import { renderSql } from '../../../packages/postgres/src/identifiers.ts';

test('puts the names in place of the four placeholders, everywhere, and leaves the rest alone', () => {
  const sql = "{session} {session_conflict} {session_layout} {session_literal} {session} $1 '{}' {other}";
  expect(renderSql(sql, { schema: 'chat', table: 'talk' })).toBe(
    "chat.talk chat.talk_conflict chat.talk_layout 'chat.talk' chat.talk $1 '{}' {other}",
  );
});

test('quotes names that are words of SQL, in the literal too', () => {
  expect(renderSql('{session} {session_literal}', { schema: 'order', table: 'select' })).toBe(
    `"order"."select" '"order"."select"'`,
  );
});

test('a schema or table called like a placeholder is no placeholder', () => {
  expect(renderSql('{session} {session_layout}', { schema: 'session', table: 'session_layout' })).toBe(
    'session.session_layout session.session_layout_layout',
  );
});

test.each(Object.entries(queries))(
  'no placeholder is left in %s, and nothing but the names differs',
  (_, sql) => {
    const rendered = renderSql(sql, { schema: 'a', table: 'b' });
    expect(rendered).not.toMatch(/\{session/);
    expect(rendered).not.toMatch(/\$\{|undefined/);
    expect(rendered.length).toBeLessThan(sql.length + 1);
  },
);

test.each([
  'Session',
  'a b',
  'a-b',
  'a"b',
  "a'b",
  'a;b',
  'a.b',
  '1a',
  '',
  'ä',
  'a\n',
  '\na',
  'a\u0000',
  '{session}',
  'a'.repeat(51),
])('refuses a name that is no plain identifier, as schema and as table: %j', (name) => {
  for (const names of [
    { schema: name, table: 'session' },
    { schema: 'public', table: name },
  ]) {
    expect(() => renderSql('{session}', names)).toThrow(InvalidOptionError);
  }
});

test('the longest name leaves room for the companions below 63 bytes', () => {
  const table = 'a'.repeat(50);
  expect(renderSql('{session_conflict}', { schema: 'b', table })).toBe(`b.${table}_conflict`);
  expect(`${table}_migration`.length).toBeLessThanOrEqual(63);
});
