import { InvalidOptionError, isCauceError, RedisError, withDeadline } from '@cauce/protocol';
import { expect, it } from 'vitest';
import { classifyRedisFailure, DeadlineError } from '../../../packages/protocol/src/redis/failure.ts';

function namedError(name: string, message: string): Error {
  const error = new Error(message);
  error.name = name;
  return error;
}

const reply = (message: string): Error => namedError('ReplyError', message);

it.each([
  ['OOM command not allowed when used memory > maxmemory.', 'OOM', true],
  ['LOADING Redis is loading the dataset in memory', 'LOADING', true],
  ['BADFLOOR the floor in sess:{0}:meta is no version to count on from', 'BADFLOOR', true],
  ['ERR The stream has exhausted the last possible ID, unable to add more items', 'EXHAUSTED', true],
  ["READONLY You can't write against a read only replica.", 'READONLY', true],
  ['MASTERDOWN Link with MASTER is down', 'MASTERDOWN', true],
  ['MISCONF Redis is configured to save RDB snapshots', 'MISCONF', true],
  ['NOREPLICAS Not enough good replicas to write.', 'NOREPLICAS', true],
  ['BUSY Redis is busy running a script.', 'BUSY', true],
  ['TRYAGAIN Multiple keys request during rehashing of slot', 'TRYAGAIN', true],
  ['CLUSTERDOWN The cluster is down', 'CLUSTERDOWN', true],
  ['MOVED 3999 127.0.0.1:6381', 'MOVED', true],
  ['ASK 3999 127.0.0.1:6381', 'ASK', true],
  ['NOSCRIPT No matching script.', 'NOSCRIPT', true],
  ['WRONGTYPE Operation against a key holding the wrong kind of value', 'WRONGTYPE', false],
  ['NOPERM this user has no permissions', 'NOPERM', false],
  ['NOAUTH Authentication required.', 'NOAUTH', false],
  ['CROSSSLOT Keys in request do not hash to the same slot', 'CROSSSLOT', false],
  ['ERR unknown command', 'ERR', false],
  ['something without a code', 'ERR', false],
])('an answer of Redis means it was not applied: %s', (message, reason, retryable) => {
  expect(classifyRedisFailure(reply(message))).toEqual({ effect: 'refused', retryable, reason });
});

it.each<[string, unknown, 'refused' | 'unknown', string]>([
  [
    'a command that was never sent',
    new Error("Stream isn't writeable and enableOfflineQueue options is false"),
    'refused',
    'NOT_CONNECTED',
  ],
  [
    'a command for a cluster that is not connected',
    new Error("Cluster isn't ready and enableOfflineQueue options is false"),
    'refused',
    'NOT_CONNECTED',
  ],
  [
    'a cluster that was not reached',
    namedError('ClusterAllFailedError', 'Failed to refresh slots cache.'),
    'refused',
    'NOT_CONNECTED',
  ],
  ['a deadline', new DeadlineError(50), 'unknown', 'TIMEOUT'],
  ["ioredis' commandTimeout", new Error('Command timed out'), 'unknown', 'TIMEOUT'],
  ['a cut connection', new Error('Connection is closed.'), 'unknown', 'CONNECTION_LOST'],
  [
    'a used up retry',
    namedError('MaxRetriesPerRequestError', 'Reached the max retries per request limit (which is 0).'),
    'unknown',
    'CONNECTION_LOST',
  ],
  ['a socket error', namedError('Error', 'read ECONNRESET'), 'unknown', 'CONNECTION_LOST'],
  ['what is no error', 'a text', 'unknown', 'CONNECTION_LOST'],
  ['nothing', undefined, 'unknown', 'CONNECTION_LOST'],
])('F7 %s', (_, error, effect, reason) => {
  expect(classifyRedisFailure(error)).toEqual({ effect, retryable: true, reason });
});

it.each([
  ['ReplyError: TRYAGAIN Multiple keys request during rehashing of slot', 'refused', 'TRYAGAIN'],
  ['ReplyError: MOVED 3999 127.0.0.1:6381', 'refused', 'MOVED'],
  ['ReplyError: CLUSTERDOWN The cluster is down', 'refused', 'CLUSTERDOWN'],
  ['Error: Connection is closed.', 'unknown', 'CONNECTION_LOST'],
])('F7 redirections of a cluster without end: %s', (last, effect, reason) => {
  const error = new Error(`Too many Cluster redirections. Last error: ${last}`);
  expect(classifyRedisFailure(error)).toEqual({ effect, retryable: true, reason });
});

const CANARY = 's3cr3t-CANARY';

it.each([
  `ERR unknown command 'EVALX', with args beginning with: '{"pin":"${CANARY}"}' `,
  `ERR unknown command 'x', with args beginning with: 'a' \n'${CANARY}'`,
])('an error never contains the state the command was called with', (message) => {
  const original = Object.assign(reply(message), { command: { name: 'evalsha', args: ['sha', CANARY] } });
  const error = RedisError.from(original, 'save');
  const everything = [
    String(error),
    error.stack,
    JSON.stringify(error),
    JSON.stringify(Object.getOwnPropertyDescriptors(error)),
    String(error.cause),
    (error.cause as Error).stack,
    JSON.stringify(Object.getOwnPropertyDescriptors(error.cause)),
  ].join('\n');
  expect(everything).not.toContain(CANARY);
  expect(everything).toContain('unknown command');
});

it('a wrapped failure says which call failed, why, and whether to try again', () => {
  const error = RedisError.from(reply('OOM command not allowed'), 'save');
  expect(error).toMatchObject({ name: 'RedisError', code: 'REDIS_UNAVAILABLE', retryable: true });
  expect(error.message).toBe('Redis save failed (OOM): OOM command not allowed');
  expect(RedisError.from(reply('WRONGTYPE Operation'), 'take')).toMatchObject({
    code: 'REDIS_REFUSED',
    retryable: false,
  });
  expect(RedisError.from(error, 'again')).toBe(error);
  expect(RedisError.from('a text', 'take').failure.effect).toBe('unknown');
});

it('an error of another copy of this package is recognised', () => {
  expect(isCauceError(new InvalidOptionError('x'))).toBe(true);
  expect(isCauceError({ [Symbol.for('@cauce/error')]: true })).toBe(true);
  expect([new Error('x'), null, 'x', undefined].some(isCauceError)).toBe(false);
});

it('a deadline rejects in time and lets what is faster pass', async () => {
  await expect(withDeadline(new Promise(() => {}), 5)).rejects.toBeInstanceOf(DeadlineError);
  expect(await withDeadline(Promise.resolve(7), 1000)).toBe(7);
  await expect(withDeadline(Promise.reject(new Error('own')), 1000)).rejects.toThrow('own');
});
