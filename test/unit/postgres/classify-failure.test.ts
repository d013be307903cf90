import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  classifyPostgresFailure,
  describeFailure,
  type PostgresFailure,
} from '../../../packages/postgres/src/classify-failure.ts';
import { errorOf, failureOf } from './failures.ts';

const CANARY = 's3cr3t-CANARY';

const bySqlState: Record<PostgresFailure['class'], readonly string[]> = {
  transient: [
    ...['08000', '08001', '08003', '08004', '08006', '08007'],
    ...['40000', '40001', '40002', '40003', '40P01'],
    ...['53000', '53100', '53200', '53300', '53400'],
    ...['55P03', '55006', '25006', '25P02', '25P03', '25P04'],
    ...['57000', '57014', '57P01', '57P02', '57P03', '57P04', '57P05'],
    ...['58000', '58030', '58P01'],
  ],
  misconfigured: [
    ...['08P01', '0A000', '26000'],
    ...['28000', '28P01', '3D000', '3F000'],
    ...['42000', '42501', '42601', '42703', '42804', '42883', '42P01', '42P02', '42P07', '42P10'],
    ...['F0000', 'F0001', 'XX000', 'XX001', 'XX002'],
  ],
  refused: [
    ...['21000'],
    ...['22000', '22003', '22008', '22021', '22P02', '22P05', '22032', '2200H'],
    ...['23000', '23502', '23503', '23505', '23514', '23P01'],
    ...['44000', '54000', '54001', '54011', '54023'],
    ...['P0001', 'P0004', '09000', '39000', 'HV000', 'ABC12', '99999'],
  ],
};

test.each(Object.entries(bySqlState))('SQLSTATEs of F8 that are %s', (failureClass, codes) => {
  for (const code of codes) {
    expect(failureOf(code), code).toMatchObject({ class: failureClass, code, isSocket: false });
  }
});

test('statements that ran out of time are marked: smaller pieces may not', () => {
  for (const code of ['57014', '25P04']) expect(failureOf(code).isTimeout).toBe(true);
  for (const code of ['57P01', '55P03', '40001', '22P02']) expect(failureOf(code).isTimeout).toBe(false);
  // The server gives up before the caller does: without its word the connection is at fault, not the size.
  expect(classifyPostgresFailure(new Error('Query read timeout'))).toMatchObject({
    class: 'transient',
    isTimeout: false,
  });
});

test.each([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'ENETRESET',
  'EADDRNOTAVAIL',
  'EMFILE',
  'ENFILE',
  'ENOBUFS',
  'EPERM',
  'EACCES',
  'EBADF',
  'ENOENT',
  'ERR_SOCKET_CLOSED',
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_WRITE_AFTER_END',
])('a failure of the socket or the system is never a row’s fault: %s (P9)', (code) => {
  const error = Object.assign(errorOf(code), { syscall: 'connect', errno: -1 });
  expect(classifyPostgresFailure(error)).toMatchObject({ class: 'transient', code, isTimeout: false });
});

test('only a connection that was there and broke can be the rows’ fault in the end', () => {
  for (const code of ['ECONNRESET', 'EPIPE', 'ECONNABORTED']) expect(failureOf(code).isSocket).toBe(true);
  for (const code of ['ECONNREFUSED', 'ENOTFOUND', 'EMFILE']) expect(failureOf(code).isSocket).toBe(false);
});

test.each([
  ['Connection terminated unexpectedly', 'CONNECTION_LOST', true],
  ['Connection terminated', 'CONNECTION_LOST', true],
  ['Client has encountered a connection error and is not queryable', 'CONNECTION_LOST', true],
  ['Client was closed and is not queryable', 'CONNECTION_LOST', true],
  ['Connection terminated due to connection timeout', 'CONNECT_TIMEOUT', false],
  ['timeout exceeded when trying to connect', 'CONNECT_TIMEOUT', false],
  ['timeout expired', 'CONNECT_TIMEOUT', false],
  ['Cannot use a pool after calling end on the pool', 'POOL_ENDED', false],
])('what pg says without a code when the way is cut is transient: %s (P9)', (message, code, isSocket) => {
  expect(classifyPostgresFailure(new Error(message))).toMatchObject({
    class: 'transient',
    code,
    isSocket,
    isTimeout: false,
  });
});

test.each([
  ['The server does not support SSL connections', ''],
  ['There was an error establishing an SSL connection', ''],
  ['self-signed certificate in certificate chain', 'SELF_SIGNED_CERT_IN_CHAIN'],
  ['unable to verify the first certificate', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
  ['certificate has expired', 'CERT_HAS_EXPIRED'],
  ["Hostname/IP does not match certificate's altnames", 'ERR_TLS_CERT_ALTNAME_INVALID'],
  ['write EPROTO 40:error:0A00010B:SSL routines:ssl3_get_record:wrong version number', 'EPROTO'],
  ['SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string', ''],
])('TLS and passwords are for a person to fix: %s', (message, code) => {
  const error = code === '' ? new Error(message) : errorOf(code, message);
  expect(classifyPostgresFailure(error)).toMatchObject({
    class: 'misconfigured',
    code: message.startsWith('SASL') ? 'PASSWORD' : 'TLS',
    summary: message.startsWith('SASL')
      ? 'PASSWORD: a password is required; give one in DATABASE_URL'
      : `TLS: ${message}; correct sslmode and sslrootcert in DATABASE_URL, or the server`,
  });
});

test.each([
  new RangeError('Invalid string length'),
  new TypeError('Cannot read properties of undefined'),
  errorOf('ERR_STRING_TOO_LONG'),
  errorOf('ERR_INVALID_ARG_TYPE'),
  'a string',
  undefined,
  null,
  { code: '22P02' },
])('what fails on this side before it is sent is the rows’ fault: %s', (error) => {
  expect(classifyPostgresFailure(error)).toEqual({
    class: 'refused',
    code: 'LOCAL',
    isTimeout: false,
    isSocket: false,
    summary: 'failed before it was sent',
  });
});

test('a file that DATABASE_URL names and that cannot be read is a fault of the setting; a socket is an outage', () => {
  const fault = (syscall: string) =>
    classifyPostgresFailure(Object.assign(errorOf('ENOENT', `ENOENT: ${syscall} '/x'`), { syscall }));
  expect(fault('open')).toMatchObject({ class: 'misconfigured', code: 'FILE' });
  expect(fault('open').summary).toContain("'/x'; correct sslrootcert, sslcert or sslkey");
  expect(fault('connect')).toMatchObject({ class: 'transient', code: 'ENOENT' });
});

test.each([
  ['28P01', 'password authentication failed for user "bob"'],
  ['28000', 'role "bob" does not exist'],
  ['28000', 'no pg_hba.conf entry for host "10.0.0.7", user "bob", database "x", no encryption'],
  ['08P01', 'no such user: bob'],
  ['53300', 'too many connections for role "bob"'],
])('who was refused is not said: %s %s', (code, message) => {
  expect(classifyPostgresFailure(errorOf(code, message)).summary).not.toContain('bob');
});

test.each(['40001', '40P01', '55P03', '57014', '53100', '53200', '58030', '25P03'])(
  '%s comes from a server that is there: it is not called away',
  (code) => {
    expect(describeFailure(failureOf(code))).toBe(
      `PostgreSQL could not run a statement: ${code}: error ${code}`,
    );
  },
);

test.each(['57P01', '57P03', '08006', '25006', '53300', 'ECONNREFUSED', 'ENOTFOUND'])(
  '%s is away',
  (code) => {
    expect(describeFailure(failureOf(code))).toMatch(/^PostgreSQL is away: /);
  },
);

test('a refusal is described without a word of the row, whatever the code (P9)', () => {
  const fields = {
    detail: `Failing row contains (acme, ana, {"x": "${CANARY}"}).`,
    where: `JSON data, line 1: ${CANARY}`,
    hint: CANARY,
    constraint: 'session_version_check',
    table: 'session',
  };
  for (const code of bySqlState.refused) {
    const failure = classifyPostgresFailure(Object.assign(errorOf(code, `bad ${CANARY}`), fields));
    expect(JSON.stringify(failure), code).not.toContain('CANARY');
    expect(failure.summary).toBe(`${code}: constraint session_version_check: table session`);
  }
  expect(classifyPostgresFailure(errorOf('22P02', CANARY)).summary).toBe('22P02');
  expect(JSON.stringify(classifyPostgresFailure(new RangeError(CANARY)))).not.toContain('CANARY');
});

test('a misconfiguration says what to fix, but never detail or context', () => {
  const error = Object.assign(errorOf('42P01', 'relation "chat.session" does not exist'), {
    detail: CANARY,
  });
  const failure = classifyPostgresFailure(error);
  expect(failure.summary).toBe(
    '42P01: relation "chat.session" does not exist; run `cauce migrate`, with the same schema and table',
  );
  expect(JSON.stringify(failure)).not.toContain('CANARY');
});

test('what a trigger says is never repeated, whatever code it raises: it may quote the row', () => {
  for (const code of ['42501', '08006', '57014', 'XX000']) {
    const where = 'PL/pgSQL function chat.audit() line 3 at RAISE';
    const failure = classifyPostgresFailure(
      Object.assign(errorOf(code, `may not write ${CANARY}`), { where }),
    );
    expect(failure.summary).toBe(code);
  }
});

test('every SQLSTATE has exactly one class, and unknown ones are refused, not waited for', () => {
  const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ';
  const sqlState = fc
    .array(fc.constantFrom(...digits), { minLength: 5, maxLength: 5 })
    .map((letters) => letters.join(''))
    .filter((code) => /\d/.test(code));
  const known = /^(08|40|53|55|57|58|0A|28|3D|3F|42|F0|XX|25|26)/;
  fc.assert(
    fc.property(sqlState, (code) => {
      const failure = failureOf(code);
      expect(failure.code).toBe(code);
      if (!known.test(code)) expect(failure.class).toBe('refused');
    }),
    { numRuns: 500 },
  );
});

test.each(['read ECONNRESET', 'write EPIPE', 'connect ECONNREFUSED'])(
  '%s is of a socket, not of a file',
  (text) => {
    const [syscall, code] = text.split(' ');
    const failure = classifyPostgresFailure(Object.assign(new Error(text), { syscall, code }));
    expect(failure).toMatchObject({ class: 'transient', code });
  },
);
