import { expect, test } from 'vitest';
import {
  explainConnectFailure,
  refusedCommand,
} from '../../../packages/protocol/src/redis/explain-failure.ts';

const plain = { isTls: false, wasClosed: false };
const tls = { isTls: true, wasClosed: false };
const errorOf = (message: string, code?: string) => Object.assign(new Error(message), { code });
const reply = (message: string) => Object.assign(new Error(message), { name: 'ReplyError' });

test.each([
  [reply('WRONGPASS invalid username-password pair or user is disabled.'), plain, 'WRONGPASS'],
  [reply('NOAUTH Authentication required.'), plain, 'it asks for a password (NOAUTH): give one'],
  [
    reply('ERR AUTH <password> called without any password configured for the default user.'),
    plain,
    'knows no password',
  ],
  [reply("NOPERM this user has no permissions to run the 'info' command"), plain, 'NOPERM'],
  [errorOf('getaddrinfo ENOTFOUND x', 'ENOTFOUND'), plain, 'its host is not known (ENOTFOUND)'],
  [errorOf('getaddrinfo EAI_AGAIN x', 'EAI_AGAIN'), plain, 'its host is not known (EAI_AGAIN)'],
  [errorOf('connect ECONNREFUSED 127.0.0.1:1', 'ECONNREFUSED'), plain, 'nothing listens there'],
  [
    errorOf('self-signed certificate', 'DEPTH_ZERO_SELF_SIGNED_CERT'),
    tls,
    'certificate is not accepted (DEPTH_ZERO_SELF_SIGNED_CERT)',
  ],
  [
    errorOf("Hostname/IP does not match certificate's altnames", 'ERR_TLS_CERT_ALTNAME_INVALID'),
    tls,
    'or correct the host',
  ],
  [errorOf('certificate has expired', 'CERT_HAS_EXPIRED'), tls, 'CERT_HAS_EXPIRED'],
  [
    errorOf('write EPROTO:SSL routines:ssl3_get_record:wrong version number', 'EPROTO'),
    tls,
    'it speaks no TLS',
  ],
  [errorOf('connect ETIMEDOUT', 'ETIMEDOUT'), tls, 'no TLS handshake'],
  [errorOf('connect ETIMEDOUT', 'ETIMEDOUT'), plain, 'it does not answer'],
  [
    errorOf('no answer within 5 ms'),
    { isTls: false, wasClosed: true },
    'write rediss:// instead of redis://',
  ],
  [errorOf('something else'), plain, 'something else'],
  [undefined, plain, 'it does not answer'],
])('%s', (error, attempt, words) => {
  expect(explainConnectFailure(error, attempt)).toContain(words);
});

const script = "local x = 1\nredis.call('GET', x)\nreturn redis.pcall(\n  'HSET', x)\n";

test('the command of the line that Redis names, also when the call goes on in the next line', () => {
  expect(refusedCommand(script, 'ERR … script: f00, on @user_script:2.')).toBe('GET');
  expect(refusedCommand(script, 'ERR … script: f00, on @user_script:3.')).toBe('HSET');
});

test('without a line, all commands of the script', () => {
  expect(refusedCommand(script, 'ERR …')).toBe('one of GET, HSET');
  expect(refusedCommand(script, 'ERR … on @user_script:99.')).toBe('one of GET, HSET');
});
