import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HistoryFileError, hashState, readHistory } from '@cauce/history';
import { expect, it, onTestFinished } from 'vitest';

const open = { at: 'open', proc: 'bot', us: 100, v: 1, clock: 'here', wallUs: 5000 };
const sent = { at: 'call', proc: 'bot', us: 110, n: 0, op: 'save', session: 'acme:ana', state: hashState(1) };
const done = { at: 'done', proc: 'bot', us: 120, n: 0, outcome: 'ok', version: '9', opId: 'op' };

function fileWith(...lines: (object | string)[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'cauce-history-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'h.jsonl');
  writeFileSync(
    file,
    lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'),
  );
  return file;
}

it('reads calls with their answers; a call without one is unknown', async () => {
  const { calls } = await readHistory([fileWith(open, sent, done, { ...sent, n: 1, us: 130 })]);
  expect(calls).toMatchObject([
    { n: 0, startUs: 110, endUs: 120, outcome: 'ok', version: 9n, opId: 'op', state: hashState(1) },
    { n: 1, startUs: 130, endUs: Number.POSITIVE_INFINITY, outcome: 'unknown', version: undefined },
  ]);
});

it('takes the last attempt of an update for what it saved', async () => {
  const attempt = { at: 'attempt', proc: 'bot', us: 112, n: 0 };
  const { state: _, ...update } = { ...sent, op: 'update' };
  const attempts = [
    { ...attempt, base: null, state: hashState(1) },
    { ...attempt, base: hashState(2), state: hashState(3) },
  ];
  const { calls } = await readHistory([fileWith(open, update, ...attempts, done)]);
  expect(calls).toMatchObject([{ op: 'update', base: hashState(2), state: hashState(3), version: 9n }]);
});

it('tells the time of several machines by their wall clocks', async () => {
  const there = { ...open, proc: 'other', clock: 'there', us: 900_000, wallUs: 5015 };
  const other = { ...sent, proc: 'other', us: 900_001 };
  const { calls, clocks } = await readHistory([fileWith(open, sent, done), fileWith(there, other)]);
  expect(clocks).toBe(2);
  expect(calls.map(({ proc, startUs, endUs }) => [proc, startUs, endUs])).toEqual([
    ['bot', 5010, 5020],
    ['other', 5016, Number.POSITIVE_INFINITY],
  ]);
});

it('leaves out a line that was cut off at the end, or before its bot began again', async () => {
  const again = { ...open, proc: 'again' };
  const { calls } = await readHistory([
    fileWith(open, sent, '{"at":"do', '', again, { ...sent, proc: 'again' }, '{"'),
  ]);
  expect(calls).toHaveLength(2);
});

it.each<[string, number, (object | string)[]]>([
  ['text', 2, [open, 'hello', sent]],
  ['a line cut off in the middle', 2, [open, '{"at":"ca', sent]],
  ['JSON that is no line', 2, [open, '[]', sent]],
  ['an unknown kind of line', 2, [open, { ...sent, at: 'sent' }]],
  ['an unknown operation', 2, [open, { ...sent, op: 'drop' }]],
  ['a state', 2, [open, { ...sent, state: { note: 'secret' } }]],
  ['a version that is none', 3, [open, sent, { ...done, version: '-1' }]],
  ['a save without its version', 3, [open, sent, { ...done, version: undefined }]],
  ['an answer to nothing', 2, [open, done]],
  ['a beginning that is missing', 1, [sent, done]],
  ['a process that began twice', 2, [open, open]],
  ['another version of the format', 1, [{ ...open, v: 2 }]],
])('refuses %s and names the line', async (_, line, lines) => {
  const file = fileWith(...lines);
  const failure = readHistory([file]);
  await expect(failure).rejects.toThrow(HistoryFileError);
  await expect(failure).rejects.toThrow(`${file}:${line}: `);
  await expect(failure).rejects.not.toThrow('secret');
});
