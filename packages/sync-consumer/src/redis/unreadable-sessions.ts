import { RedisError } from '@cauce/protocol';
import type { PartitionFailure } from './ask-partitions.ts';

/** Sessions under whose keys something else stands: nobody but who put it there may remove it. Pure. */
export function unreadableSessions(partition: number, sessions: number): PartitionFailure {
  const message =
    `${sessions === 1 ? 'the key of 1 session holds' : `the keys of ${sessions} sessions hold`} ` +
    'something that is no session (WRONGTYPE)';
  const failure = { effect: 'refused', retryable: false, reason: 'UNREADABLE' } as const;
  return { partition, error: new RedisError(message, failure) };
}
