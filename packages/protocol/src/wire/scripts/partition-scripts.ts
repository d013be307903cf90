import { listIn, oneOf, textsIn } from '../../redis/replies.ts';
import { type SessionKey, SYNC_GROUP } from '../keyspace.ts';
import { PARTITION_HASH } from '../partition.ts';
import type { TableIdentity } from '../table-identity.ts';
import { LOWEST_READABLE_PROTOCOL, PROTOCOL_VERSION, type Version } from '../version.ts';
import { parseMode, type StoredMode } from '../writer-mode.ts';
import { eventKeys, flag, MAX_SCRIPT_SESSIONS, refuseForeign, refuseOversize } from './arguments.ts';
import type { ScriptDeps } from './run-script.ts';
import type { Epoch } from './stored-session.ts';

/**
 * For how long after Redis changed a consumer may still commit what it took before: then sessions are compared with
 * PostgreSQL once more. Longer than any statement's timeout.
 */
const MAX_IN_FLIGHT_MS = 60_000;

const resyncOutcomes = ['announced', 'dirty', 'older', 'gone', 'unreadable'] as const;
export type ResyncOutcome = (typeof resyncOutcomes)[number];
const sweepOutcomes = ['announced', 'waiting', 'parked', 'clean', 'unreadable'] as const;
export type SweepOutcome = (typeof sweepOutcomes)[number];

export type OpenPartitionReply =
  | {
      /**
       * `renewed`: its stream took no more events, and was created again; what was in it has to be announced again.
       * `other_table`: the sessions are synced to another one than the caller's, and nothing was written.
       */
      readonly outcome: 'opened' | 'created' | 'renewed' | 'other_table';
      /** Whether a floor was ever given, and the partition has one to count on from. */
      readonly isSeeded: boolean;
      readonly epoch: Epoch;
      /** The first epoch on this server. */
      readonly serverEpoch: Epoch;
      /** The table the sessions are synced to; undefined: none is remembered. */
      readonly syncedTo: TableIdentity | undefined;
      /** The writer mode of the partition; undefined: none is stored. */
      readonly mode: StoredMode | undefined;
    }
  | {
      readonly outcome: 'mismatch';
      readonly partitions: string;
      readonly hash: string;
      readonly protocol: string;
      readonly minProtocol: string;
    };

/** What keeps a partition in order: it is opened, and what its stream lacks is announced again. */
export interface PartitionScripts {
  /**
   * `table`: the one the caller reads or writes. It is remembered where none was, if a floor is given with it.
   * `isOfRollout`: PostgreSQL has a writer mode for the partition, so it is `void` where none is stored; default false.
   */
  openPartition(
    partition: number,
    call: {
      floor: Version;
      createGroup: boolean;
      table?: TableIdentity | undefined;
      isOfRollout?: boolean;
    },
  ): Promise<OpenPartitionReply>;
  forgetConsumer(partition: number, call: { consumer: string }): Promise<'forgotten' | 'pending' | 'absent'>;
  /** At most {@link MAX_SCRIPT_SESSIONS} sessions. `aheadOfUs`: Redis' time, when they are dirty since a later one. */
  sweep(
    partition: number,
    keys: readonly SessionKey[],
    call?: { ignoreRetryAt?: boolean; aheadOfUs?: string },
  ): Promise<SweepOutcome[]>;
  /** At most {@link MAX_SCRIPT_SESSIONS} sessions. */
  resync(
    partition: number,
    keys: readonly SessionKey[],
    call: { sinceVersion: Version },
  ): Promise<ResyncOutcome[]>;
}

export function partitionScripts({ run, keyspace }: ScriptDeps): PartitionScripts {
  return {
    async openPartition(partition, { floor, createGroup, table, isOfRollout = false }) {
      refuseForeign(floor);
      const reply = await run(
        'openPartition',
        [keyspace.meta(partition), keyspace.changes(partition)],
        [
          ...[keyspace.partitions, PARTITION_HASH, PROTOCOL_VERSION, LOWEST_READABLE_PROTOCOL, floor],
          ...[createGroup ? SYNC_GROUP : '', MAX_IN_FLIGHT_MS, table?.id ?? '', table?.name ?? ''],
          flag(isOfRollout),
        ],
      );
      const [word, first = '', second = '', third = '', id = '', name = '', mode = ''] = textsIn(
        'openPartition',
        reply,
      );
      const outcomes = ['opened', 'created', 'renewed', 'mismatch', 'other_table'] as const;
      const outcome = oneOf('openPartition', word, outcomes);
      listIn('openPartition', reply, outcome === 'mismatch' ? 5 : 7);
      if (outcome === 'mismatch') {
        return { outcome, partitions: first, hash: second, protocol: third, minProtocol: id };
      }
      const syncedTo = id === '' ? undefined : { id, name };
      const isSeeded = oneOf('openPartition', first, ['0', '1']) === '1';
      return { outcome, isSeeded, epoch: second, serverEpoch: third, syncedTo, mode: parseMode(mode) };
    },

    async forgetConsumer(partition, { consumer }) {
      const reply = await run('forgetConsumer', [keyspace.changes(partition)], [SYNC_GROUP, consumer]);
      return oneOf('forgetConsumer', reply, ['forgotten', 'pending', 'absent']);
    },

    async sweep(partition, keys, { ignoreRetryAt = false, aheadOfUs = '' } = {}) {
      refuseOversize(keys.length);
      const reply = await run(
        'sweep',
        [...eventKeys(keyspace, partition), ...keys],
        [SYNC_GROUP, flag(ignoreRetryAt), aheadOfUs],
      );
      return listIn('sweep', reply, keys.length).map((word) => oneOf('sweep', word, sweepOutcomes));
    },

    async resync(partition, keys, { sinceVersion }) {
      refuseOversize(keys.length);
      refuseForeign(sinceVersion);
      const reply = await run(
        'resync',
        [keyspace.changes(partition), keyspace.dirty(partition), ...keys],
        [sinceVersion],
      );
      return listIn('resync', reply, keys.length).map((word) => oneOf('resync', word, resyncOutcomes));
    },
  };
}
