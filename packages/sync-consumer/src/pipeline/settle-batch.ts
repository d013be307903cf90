import {
  type Keyspace,
  nextParkedRecord,
  type RedisConnection,
  type Scripts,
  type SettleSession,
  SYNC_GROUP,
  type Version,
} from '@cauce/protocol';
import type { AnnouncedSession } from './dedupe-by-session.ts';
import { groupBy } from './group-by.ts';
import type { TakenRow } from './take-states.ts';

/** What is known of each session after PostgreSQL answered. */
export interface Settlement {
  /** This version is committed. */
  readonly committed: readonly TakenRow[];
  /** Acknowledge; no version of this batch was written for it. */
  readonly acknowledged: readonly AnnouncedSession[];
  /** PostgreSQL refuses the row. */
  readonly refused: readonly { readonly row: TakenRow; readonly sqlState: string }[];
  /** Parked before and not due yet: acknowledge, try later. */
  readonly held: readonly TakenRow[];
  readonly takenAtUs: ReadonlyMap<number, string>;
}

export interface SettleDeps {
  readonly scripts: Pick<Scripts, 'settle' | 'park'>;
  readonly nowMs: () => number;
}

/**
 * Acknowledges the events of a batch, only after the commit or the parking (P4). Sessions saved since stay dirty
 * and are announced again by the script.
 * @throws RedisError; what was not settled stays pending and is claimed again, which is harmless
 */
export async function settleBatch(
  { scripts, nowMs }: SettleDeps,
  settlement: Settlement,
  { ttlMs }: { ttlMs: number },
): Promise<void> {
  const sessions = [
    ...settlement.committed.map(({ announced, version }) => toSettle(announced, version)),
    ...settlement.acknowledged.map((announced) => toSettle(announced, undefined)),
  ];
  await Promise.all([
    ...[...groupBy(sessions, ({ partition }) => partition)].map(([partition, group]) =>
      scripts.settle(partition, group, { ttlMs, takenAtUs: settlement.takenAtUs.get(partition) ?? '0' }),
    ),
    ...settlement.refused.map(({ row, sqlState }) =>
      scripts.park(row.announced.session, {
        version: row.version,
        record: nextParkedRecord(row.parked, { version: row.version, sqlState }, nowMs()),
        eventIds: row.announced.eventIds,
      }),
    ),
    ...settlement.held.map((row) =>
      scripts.park(row.announced.session, {
        version: row.version,
        record:
          row.parked ?? nextParkedRecord(undefined, { version: row.version, sqlState: 'LOCAL' }, nowMs()),
        eventIds: row.announced.eventIds,
      }),
    ),
  ]);
}

/** Removes entries that Cauce did not write; a session they might have meant is in the dirty index. */
export async function dropMalformed(
  { redis, keyspace }: { redis: RedisConnection; keyspace: Keyspace },
  malformed: readonly { readonly partition: number; readonly id: string }[],
): Promise<void> {
  for (const { partition, id } of malformed) {
    await redis.xack(keyspace.changes(partition), SYNC_GROUP, id);
    await redis.xdel(keyspace.changes(partition), id);
  }
}

function toSettle(
  { session, eventIds }: AnnouncedSession,
  written: Version | undefined,
): SettleSession & { partition: number } {
  return { partition: session.partition, key: session.key, written, eventIds };
}
