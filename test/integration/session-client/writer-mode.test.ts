import { SaveRejectedError } from '@cauce/session-client';
import { describe, expect, it } from 'vitest';
import { isolatedClient } from './client.ts';

const modes = [
  ['direct', 'MODE_DIRECT', false, /in PostgreSQL: save it there/],
  ['to_redis', 'MODE_MOVING', true, /repeat the call in a moment/],
  ['to_direct', 'MODE_MOVING', true, /repeat the call in a moment/],
  ['sealed', 'MODE_MOVING', true, /repeat the call in a moment/],
  ['void', 'MODE_MOVING', true, /repeat the call in a moment/],
] as const;

describe('P10 a partition that is not in Redis mode', () => {
  it.each(modes)(
    '%s refuses saves, clears and updates with %s, and saves again afterwards',
    async (...row) => {
      const [mode, reason, retryable, message] = row;
      const { sessions, redis, keyspace, locate } = isolatedClient();
      await sessions.saveUserState('ana', { step: 'before' }, { opId: 'once' });
      const { key, partition } = locate('ana');
      const before = await redis.hgetall(key);
      await redis.hset(keyspace.meta(partition), 'mode', `${mode} 7 3 1`);
      const failure = { effect: 'refused', retryable, reason };
      const refused = { code: 'SAVE_REJECTED', retryable, failure, message: expect.stringMatching(message) };
      for (const call of [
        () => sessions.saveUserState('ana', { step: 'after' }),
        () => sessions.saveUserState('ana', { step: 'before' }, { opId: 'once' }),
        () => sessions.saveUserState('ana', { step: 'after' }, { durability: 'replica' }),
        () => sessions.clearUserState('ana'),
        () => sessions.updateUserState('ana', () => ({ step: 'after' })),
      ]) {
        const error = await call().then(
          () => expect.fail('saved'),
          (thrown: unknown) => thrown,
        );
        expect(error).toBeInstanceOf(SaveRejectedError);
        expect(error).toMatchObject(refused);
      }
      expect(await redis.hgetall(key)).toEqual(before);
      await redis.hset(keyspace.meta(partition), 'mode', 'redis 8 3 1');
      await sessions.saveUserState('ana', { step: 'after' });
      expect(await sessions.getUserState('ana')).toEqual({ step: 'after' });
    },
  );
});
