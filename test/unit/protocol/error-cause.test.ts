import { inspect } from 'node:util';
import { CauceError, ErrorCause, RedisError } from '@cauce/protocol';
import { expect, it } from 'vitest';

const CANARY = 's3cr3t-CANARY';

function failure(message: string, fields: object = {}): Error {
  return Object.assign(new Error(message), fields);
}

function causeOf(thrown: unknown): Error & { readonly code?: string } {
  return new CauceError('SAVE_REJECTED', 'why', { retryable: false, cause: thrown }).cause as Error;
}

it.each<[string, Error]>([
  [
    'connect ECONNREFUSED 127.0.0.1:1',
    failure('connect ECONNREFUSED 127.0.0.1:1', { code: 'ECONNREFUSED', syscall: 'connect' }),
  ],
  ['self-signed certificate', failure('self-signed certificate', { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })],
  [
    'WRONGPASS invalid password',
    failure('WRONGPASS invalid password', { name: 'ReplyError', command: { args: [CANARY] } }),
  ],
  [
    "ERR unknown command 'x'",
    failure(`ERR unknown command 'x', with args beginning with: '${CANARY}'`, { name: 'ReplyError' }),
  ],
  [
    'permission denied for table session',
    failure('permission denied for table session', { code: '42501', severity: 'ERROR', detail: CANARY }),
  ],
  [
    'PostgreSQL refused a row, constraint no_pin, table session',
    failure(`value ${CANARY} violates`, {
      code: '23514',
      severity: 'ERROR',
      constraint: 'no_pin',
      table: 'session',
    }),
  ],
  [
    'PostgreSQL refused a row',
    failure(CANARY, { code: '42501', severity: 'ERROR', where: 'PL/pgSQL function' }),
  ],
  [
    'connect ECONNREFUSED ::1:1; message left out: it may quote a session',
    new AggregateError([
      failure('connect ECONNREFUSED ::1:1', { code: 'ECONNREFUSED', syscall: 'connect' }),
      failure(CANARY),
    ]),
  ],
])('a cause that quotes nothing keeps its message: %s', (message, thrown) => {
  const cause = causeOf(thrown);
  expect(cause.message).toBe(message);
  expect(inspect(cause, { depth: 20, showHidden: true })).not.toContain(CANARY);
});

it.each<[string, unknown]>([
  ['an error of somebody else', failure(CANARY, { detail: CANARY, cause: failure(CANARY) })],
  ['one that puts it where a stack has its places', failure(`x\n    at ${CANARY}`)],
  [
    'one whose message was changed',
    Object.assign(failure(`old ${CANARY}\n    at ${CANARY}`), { message: 'new' }),
  ],
  [
    'one whose message was removed',
    Object.assign(failure(`old ${CANARY}\n    at ${CANARY}`), { message: '' }),
  ],
  [
    'an error of JSON',
    (() => {
      try {
        JSON.parse(`{${CANARY}`);
      } catch (error) {
        return error;
      }
    })(),
  ],
  ['a name and a code', failure('x', { name: CANARY, code: CANARY })],
  ['a text', CANARY],
  ['an object', { [CANARY]: CANARY }],
])('nothing is kept of what may quote a session: %s', (_, thrown) => {
  const cause = causeOf(thrown);
  expect(inspect(cause, { depth: 20, showHidden: true })).not.toContain(CANARY);
  expect(cause.message).toBe('message left out: it may quote a session');
});

it('name, code and the places in the stack are kept', () => {
  const cause = causeOf(Object.assign(new TypeError('x'), { code: 'MINE_1' }));
  expect([cause.name, cause.code]).toEqual(['TypeError', 'MINE_1']);
  expect(cause.stack).toMatch(/^TypeError: message left out[^\n]*\n {4}at .*error-cause\.test/);
});

it('an error of Cauce stays what it is, and a cause is copied once', () => {
  const inner = RedisError.from(failure('READONLY replica', { name: 'ReplyError' }), 'save');
  expect(causeOf(inner)).toBe(inner);
  const copied = ErrorCause.ofDriver(failure('Connection is closed.'));
  expect(causeOf(copied)).toBe(copied);
  expect(copied.message).toBe('Connection is closed.');
});
