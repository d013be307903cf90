import { InvalidOptionError } from '../error.ts';
import { partitionOf } from './partition.ts';
import { decodeId, encodeId, type SessionRef } from './session-ref.ts';

export interface KeyspaceOptions {
  /** Starts every key. 1 to 64 of `A-Z a-z 0-9 . _ -`. Default `sess`. */
  readonly keyPrefix?: string;
  /** Fixed for the life of the data. A power of two, 1 to 1024. Default 64. */
  readonly partitions?: number;
}

export const DEFAULT_KEY_PREFIX = 'sess';
export const DEFAULT_PARTITIONS = 64;

/** The consumer group every sync consumer reads with. */
export const SYNC_GROUP = 'sync';

/** Redis key of a session; also its name in events, in the dirty index and among the parked. */
export type SessionKey = string;

/** The session and where its keys live. */
export interface LocatedSession {
  readonly ref: SessionRef;
  readonly partition: number;
  readonly key: SessionKey;
}

/**
 * The only builder of Redis key names. Everything of one partition shares the hash tag `{partition}`, so it lies in
 * one slot of a cluster.
 */
export interface Keyspace {
  readonly keyPrefix: string;
  readonly partitions: number;
  /** @throws InvalidIdError */
  locate(ref: SessionRef): LocatedSession;
  /** Reads a session key back; undefined when it is not one of this keyspace. */
  parse(key: string): LocatedSession | undefined;
  changes(partition: number): string;
  dirty(partition: number): string;
  meta(partition: number): string;
  parked(partition: number): string;
  /** Written before WAIT, so that it covers every save before it. */
  barrier(partition: number): string;
  /** Bytes of unsynced state by tenant, where bots count them. */
  unsynced(partition: number): string;
  /** Glob that matches every session key of the partition, for SCAN. */
  sessionPattern(partition: number): string;
  /** What sync consumers say of themselves, one field each; on its own, outside the partitions. */
  consumers(): string;
  /** @throws InvalidIdError */
  tenant(tenantId: string): { readonly info: string; readonly lease: string };
}

/** @throws InvalidOptionError for a prefix or partition count out of bounds. */
export function createKeyspace(options: KeyspaceOptions = {}): Keyspace {
  const { keyPrefix = DEFAULT_KEY_PREFIX, partitions = DEFAULT_PARTITIONS } = options;
  if (!/^[A-Za-z0-9._-]{1,64}$/.test(keyPrefix)) {
    throw new InvalidOptionError(
      `keyPrefix ${JSON.stringify(keyPrefix)} is not 1 to 64 of A-Z a-z 0-9 . _ - (a colon is added after it).`,
    );
  }
  if (
    !Number.isInteger(partitions) ||
    partitions < 1 ||
    partitions > 1024 ||
    (partitions & (partitions - 1)) !== 0
  ) {
    throw new InvalidOptionError(`partitions is ${partitions}; a power of two from 1 to 1024 is needed.`);
  }

  const inPartition = (partition: number, rest: string): string => `${keyPrefix}:{${partition}}:${rest}`;
  const sessionKey = /:\{(\d+)\}:s:([^:]+):([^:]+)$/;

  return {
    keyPrefix,
    partitions,
    locate(ref) {
      const tenant = encodeId(ref.tenantId, 'tenant id');
      const user = encodeId(ref.userId, 'user id');
      const partition = partitionOf(tenant, user, partitions);
      return { ref, partition, key: inPartition(partition, `s:${tenant}:${user}`) };
    },
    parse(key) {
      const match = sessionKey.exec(key);
      if (!match) return undefined;
      const [, , tenant = '', user = ''] = match;
      const tenantId = decodeId(tenant, 'tenant id');
      const userId = decodeId(user, 'user id');
      if (tenantId === undefined || userId === undefined) return undefined;
      const partition = partitionOf(tenant, user, partitions);
      // Also refuses another prefix and a key in a partition where nobody would look for it.
      return inPartition(partition, `s:${tenant}:${user}`) === key
        ? { ref: { tenantId, userId }, partition, key }
        : undefined;
    },
    changes: (partition) => inPartition(partition, 'changes'),
    dirty: (partition) => inPartition(partition, 'dirty'),
    meta: (partition) => inPartition(partition, 'meta'),
    parked: (partition) => inPartition(partition, 'parked'),
    barrier: (partition) => inPartition(partition, 'barrier'),
    unsynced: (partition) => inPartition(partition, 'unsynced'),
    sessionPattern: (partition) => inPartition(partition, 's:*'),
    consumers: () => `${keyPrefix}:consumers`,
    tenant(tenantId) {
      const tag = `${keyPrefix}:{tenant:${encodeId(tenantId, 'tenant id')}}`;
      return { info: `${tag}:info`, lease: `${tag}:lease` };
    },
  };
}
