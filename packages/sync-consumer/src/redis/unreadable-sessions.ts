import { MAX_SCRIPT_BYTES, MAX_VERSION, RedisError } from '@cauce/protocol';
import type { PartitionFailure } from './ask-partitions.ts';

/** Sessions whose keys have another value. Only the program that wrote it may remove it. Pure. */
export function unreadableSessions(partition: number, sessions: number): PartitionFailure {
  const message =
    `${sessions === 1 ? 'the key of 1 session holds' : `the keys of ${sessions} sessions hold`} ` +
    'something that is no session: another type (WRONGTYPE), or a field that cannot be read';
  const failure = { effect: 'refused', retryable: false, reason: 'UNREADABLE' } as const;
  return { partition, error: new RedisError(message, failure) };
}

/** Dirty sessions of an earlier Redis period: a row may have been saved directly since, so they are not written. Pure. */
export function leftoverSessions(partition: number, sessions: number): PartitionFailure {
  const message =
    `${sessions === 1 ? '1 session was' : `${sessions} sessions were`} saved before the writer mode of the partition ` +
    'came to redis; nothing of it is written';
  const failure = { effect: 'refused', retryable: false, reason: 'LEFTOVER' } as const;
  return { partition, error: new RedisError(message, failure) };
}

/** Sessions whose row has a version that Redis cannot count on from: nothing of it enters Redis. Pure. */
export function uncountableRows(partition: number, rows: number): PartitionFailure {
  const message =
    `the row${rows === 1 ? '' : 's'} of ${rows} session${rows === 1 ? ' has' : 's have'} a version above ` +
    `${MAX_VERSION}; \`cauce migrate\` says how to correct them`;
  const failure = { effect: 'refused', retryable: false, reason: 'UNCOUNTABLE' } as const;
  return { partition, error: new RedisError(message, failure) };
}

/** Members of the dirty index that name no session of its partition: another program wrote them. Pure. */
export function foreignMembers(partition: number, members: number): PartitionFailure {
  const message = `${members === 1 ? '1 member' : `${members} members`} of the dirty index named no session; removed`;
  const failure = { effect: 'refused', retryable: false, reason: 'FOREIGN' } as const;
  return { partition, error: new RedisError(message, failure) };
}

/** A session that is larger than any bot may save. The program that wrote it has to make it smaller. Pure. */
export function oversizeSession(partition: number): PartitionFailure {
  const message = `a session holds more than ${MAX_SCRIPT_BYTES} bytes, which no bot may save`;
  return {
    partition,
    error: new RedisError(message, { effect: 'refused', retryable: false, reason: 'OVERSIZE' }),
  };
}
