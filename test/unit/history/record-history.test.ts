import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hashState, type RecordableClient, readHistory, recordHistory } from '@cauce/history';
import { CauceError } from '@cauce/protocol';
import { expect, it, onTestFinished, vi } from 'vitest';

const ana = { tenantId: 'acme', userId: 'a:na' };
const receipt = { version: '7', opId: 'op', isReplay: false };

/** Answers every call well; nothing is stored. */
function clientWith(
  overrides: Partial<RecordableClient> = {},
): RecordableClient & { getTenantInfo(): string } {
  return {
    saveUserState: async () => receipt,
    clearUserState: async () => receipt,
    getUserState: async () => ({ step: 1 }),
    getUserSession: async () => ({ state: { step: 1 }, version: '7' }),
    getUserStates: async () => [{ step: 1 }, undefined],
    updateUserState: async (_, change) => {
      await change(undefined);
      await change({ step: 1 });
      return receipt;
    },
    close: async () => {},
    getTenantInfo: () => 'untouched',
    ...overrides,
  };
}

function temporaryFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'cauce-history-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, 'history.jsonl');
}

/** What is written, as objects, without the clock. */
function recorded(client: RecordableClient) {
  const lines: string[] = [];
  const bot = recordHistory(client, { write: (line) => lines.push(line), proc: 'bot' });
  return {
    bot,
    lines: () => lines.slice(1).map((line) => ({ ...JSON.parse(line), us: undefined, proc: undefined })),
    text: () => lines.join(''),
  };
}

class AnError extends CauceError {
  readonly opId: string | undefined;
  constructor(code: 'SAVE_UNKNOWN' | 'SAVE_REJECTED' | 'ABORTED' | 'REDIS_UNAVAILABLE', opId?: string) {
    super(code, 'told', { retryable: true });
    this.opId = opId;
  }
}

it('writes a line before and one after each call, and gives what the client gives', async () => {
  const { bot, lines, text } = recorded(clientWith());
  const state = { note: 'secret' };
  expect(await bot.saveUserState(ana, state, { opId: 'op', ifVersion: '3' })).toBe(receipt);
  expect(await bot.clearUserState('ana')).toBe(receipt);
  expect(await bot.getUserState(ana)).toEqual({ step: 1 });
  expect(await bot.getUserSession(ana)).toEqual({ state: { step: 1 }, version: '7' });
  expect(await bot.getUserStates([ana, 'bob'])).toEqual([{ step: 1 }, undefined]);
  const found = hashState({ step: 1 });
  const one = { outcome: 'ok', version: '7', state: found };
  const saved = { outcome: 'ok', version: '7', opId: 'op' };
  const session = 'acme:a%3Ana';
  expect(lines()).toEqual([
    { at: 'call', n: 0, op: 'save', session, opId: 'op', ifVersion: '3', state: hashState(state) },
    { at: 'done', n: 0, ...saved },
    { at: 'call', n: 1, op: 'clear', session: 'default:ana' },
    { at: 'done', n: 1, ...saved },
    { at: 'call', n: 2, op: 'load', session },
    { at: 'done', n: 2, ...one },
    { at: 'call', n: 3, op: 'load', session },
    { at: 'done', n: 3, ...one },
    { at: 'call', n: 4, op: 'loadMany', sessions: [session, 'default:bob'] },
    { at: 'done', n: 4, outcome: 'ok', states: [found, null] },
  ]);
  expect(text()).not.toContain('secret');
  expect((bot as unknown as { getTenantInfo(): string }).getTenantInfo()).toBe('untouched');
});

it('writes what each attempt of an update changed into what, before it is saved', async () => {
  const { bot, lines } = recorded(clientWith());
  await bot.updateUserState(ana, (state?: object) => ({ ...state, step: 2 }));
  expect(lines().filter(({ at }) => at === 'attempt')).toEqual([
    { at: 'attempt', n: 0, base: null, state: hashState({ step: 2 }) },
    { at: 'attempt', n: 0, base: hashState({ step: 1 }), state: hashState({ step: 2 }) },
  ]);
});

it.each([
  ['unknown', new AnError('SAVE_UNKNOWN', 'op')],
  ['unknown', new AnError('ABORTED', 'op')],
  ['unknown', new TypeError('a bug')],
  ['fail', new AnError('ABORTED')],
  ['fail', new AnError('SAVE_REJECTED')],
  ['fail', new AnError('REDIS_UNAVAILABLE')],
])('calls a save %s after %o', async (outcome, error) => {
  const { bot, lines } = recorded(clientWith({ saveUserState: () => Promise.reject(error) }));
  await expect(bot.saveUserState(ana, {})).rejects.toBe(error);
  expect(lines().at(-1)).toMatchObject({ at: 'done', outcome });
});

it('calls an update failed when its change threw: nothing was sent', async () => {
  const { bot, lines } = recorded(clientWith());
  const error = new Error('refused by the bot');
  const change = () => {
    throw error;
  };
  await expect(bot.updateUserState(ana, change)).rejects.toBe(error);
  expect(lines().at(-1)).toMatchObject({ at: 'done', outcome: 'fail' });
});

it('never changes the outcome of a call, whatever cannot be hashed, named or written', async () => {
  const onError = vi.fn();
  let room = 3;
  const write = () => {
    if (room-- <= 0) throw new Error('disk full');
  };
  const bot = recordHistory(clientWith(), { write, onError });
  expect(await bot.saveUserState(ana, { big: 1n })).toBe(receipt);
  for (let i = 0; i < 3; i++) expect(await bot.saveUserState(ana, {})).toBe(receipt);
  expect(await bot.saveUserState('', {})).toBe(receipt);
  expect(onError).toHaveBeenCalledTimes(1);

  const { bot: other, lines } = recorded(clientWith({ getUserStates: async () => [{ big: 1n }, undefined] }));
  await other.saveUserState('', {});
  await other.getUserStates([ana, '']);
  expect(lines()).toEqual([]);
  await other.getUserStates([ana, 'bob']);
  expect(lines().at(-1)).toEqual({ at: 'done', n: 2, outcome: 'ok' });
});

it('is read back; a second life under the same name is another one', async () => {
  const file = temporaryFile();
  for (let life = 0; life < 2; life++) {
    const bot = recordHistory(clientWith(), { file, proc: 'bot' });
    await bot.saveUserState(ana, { life });
    await bot.getUserStates([ana, 'bob']);
    await bot.close();
    await bot.saveUserState(ana, 'after the end');
    // Killed while it wrote.
    writeFileSync(file, '{"us":1,"pro', { flag: 'a' });
  }
  const { calls, clocks } = await readHistory([file]);
  expect(clocks).toBe(1);
  expect(
    calls.map(({ op, session, outcome, version, state }) => [op, session, outcome, version, state]),
  ).toEqual(
    [0, 1].flatMap((life) => [
      ['save', 'acme:a%3Ana', 'ok', 7n, hashState({ life })],
      ['load', 'acme:a%3Ana', 'ok', undefined, hashState({ step: 1 })],
      ['load', 'default:bob', 'ok', undefined, null],
    ]),
  );
  expect(new Set(calls.map(({ proc }) => proc)).size).toBe(2);
  expect(readFileSync(file, 'utf8')).not.toContain('after');
});

it('a save that was not as durable as asked for was saved', async () => {
  class NotDurable extends CauceError {
    readonly receipt = receipt;
    constructor() {
      super('NOT_DURABLE', 'not known', { retryable: true });
    }
  }
  const { bot, lines } = recorded(clientWith({ saveUserState: () => Promise.reject(new NotDurable()) }));
  await expect(bot.saveUserState(ana, { step: 1 })).rejects.toThrow(NotDurable);
  expect(lines().at(-1)).toMatchObject({ at: 'done', outcome: 'ok', code: 'NOT_DURABLE', version: '7' });
});

it('tells how far beyond the memory of Redis a save had come', async () => {
  for (const [durability, recordedAs] of [
    ['memory', undefined],
    ['replica', 'replica'],
    ['postgres', 'postgres'],
  ] as const) {
    const { bot, lines } = recorded(
      clientWith({ saveUserState: () => Promise.resolve({ ...receipt, durability }) }),
    );
    await bot.saveUserState(ana, { step: 1 });
    expect(lines().at(-1)?.durability).toBe(recordedAs);
  }
});
