import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { recordHistory } from '@cauce/history';
import type { SessionClient } from '@cauce/session-client';
import { expect, onTestFinished, test } from 'vitest';
import { isolatedClient, type State } from './client.ts';

/** What a caller without types may give. */
const names: readonly (readonly [given: unknown, said: string])[] = [
  [undefined, 'The session is undefined; give a user id, or { tenantId, userId }.'],
  [null, 'The session is null; give a user id, or { tenantId, userId }.'],
  [42, 'The session is a number; give a user id, or { tenantId, userId }.'],
  [[], 'The session is an array; give a user id, or { tenantId, userId }.'],
  [{}, 'The tenant id is undefined; give a string.'],
  [{ tenantId: 'acme' }, 'The user id is undefined; give a string.'],
  [{ tenantId: null, userId: 'ana' }, 'The tenant id is null; give a string.'],
  [{ tenantId: 'acme', userId: 42 }, 'The user id is a number; give a string.'],
  [{ tenantId: 'acme', userId: {} }, 'The user id is an object; give a string.'],
  ['', 'The user id is empty.'],
];

const calls: Record<string, (sessions: SessionClient<State>, name: never) => Promise<unknown>> = {
  getUserState: (sessions, name) => sessions.getUserState(name),
  getUserSession: (sessions, name) => sessions.getUserSession(name),
  getUserStates: (sessions, name) => sessions.getUserStates(['ana', name]),
  saveUserState: (sessions, name) => sessions.saveUserState(name, {}),
  updateUserState: (sessions, name) => sessions.updateUserState(name, () => ({})),
  clearUserState: (sessions, name) => sessions.clearUserState(name),
};

test.each(Object.keys(calls))('%s says in a sentence what is wrong with a name', async (call) => {
  const { sessions } = isolatedClient();
  for (const [given, message] of names) {
    const outcome = calls[call]?.(sessions, given as never);
    await expect(outcome, String(given)).rejects.toMatchObject({ code: 'INVALID_ID', message });
  }
});

test('the calls for a tenant say it too', async () => {
  const { sessions } = isolatedClient();
  for (const [given, message] of [
    [undefined, 'The tenant id is undefined; give a string.'],
    [42, 'The tenant id is a number; give a string.'],
    [['acme'], 'The tenant id is an array; give a string.'],
    ['', 'The tenant id is empty.'],
  ] as const) {
    const refused = { code: 'INVALID_ID', message };
    await expect(sessions.getTenantInfo(given as never, () => ({}))).rejects.toMatchObject(refused);
    await expect(sessions.invalidateTenant(given as never)).rejects.toMatchObject(refused);
  }
});

test('getUserStates says that it needs an array, recorded or not', async () => {
  const { sessions } = isolatedClient();
  const file = join(mkdtempSync(join(tmpdir(), 'cauce-names-')), 'history.jsonl');
  onTestFinished(() => rmSync(dirname(file), { recursive: true }));
  const recorded = recordHistory(sessions, { file });
  for (const [given, what] of [
    [undefined, 'undefined'],
    ['ana', 'a string'],
    [{ length: 1 }, 'an object'],
  ] as const) {
    const refused = {
      code: 'INVALID_ID',
      message: `The sessions are ${what}; give an array of user ids, or of { tenantId, userId }.`,
    };
    await expect(sessions.getUserStates(given as never)).rejects.toMatchObject(refused);
    await expect(recorded.getUserStates(given as never)).rejects.toMatchObject(refused);
  }
});
