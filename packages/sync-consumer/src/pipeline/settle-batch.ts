import {
  countIn,
  type Keyspace,
  nextParkedRecord,
  type Scripts,
  type SettleSession,
  SYNC_GROUP,
  type Version,
} from '@cauce/protocol';
import { type AskDeps, askPartitions } from '../redis/ask-partitions.ts';
import type { AnnouncedSession } from './dedupe-by-session.ts';
import { groupBy } from './group-by.ts';
import { SESSIONS_AT_ONCE, slicesOf } from './slices-of.ts';
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

export interface SettleDeps extends AskDeps {
  readonly scripts: Pick<Scripts, 'settle' | 'park'>;
  readonly nowMs: () => number;
}

/**
 * Acknowledges the events of a batch, only after the commit or the parking (P4). Sessions saved since stay dirty
 * and are announced again by the script.
 * What was not settled stays pending and is claimed again, which is harmless. @throws RedisError as askPartitions
 */
export async function settleBatch(
  deps: SettleDeps,
  settlement: Settlement,
  { ttlMs }: { ttlMs: number },
): Promise<void> {
  const { scripts, nowMs } = deps;
  const sessions = [
    ...settlement.committed.map(({ announced, version }) => toSettle(announced, version)),
    ...settlement.acknowledged.map((announced) => toSettle(announced, undefined)),
  ];
  const parked = [
    ...settlement.refused.map(({ row, sqlState }) => ({
      row,
      record: nextParkedRecord(row.parked, { version: row.version, sqlState }, nowMs()),
    })),
    ...settlement.held.map((row) => ({
      row,
      record: row.parked ?? nextParkedRecord(undefined, { version: row.version, sqlState: 'LOCAL' }, nowMs()),
    })),
  ].map((one) => ({ partition: one.row.announced.session.partition, ...one }));
  await askPartitions(deps, parked, 'park', ({ row: { announced, version }, record }) =>
    scripts.park(announced.session, { version, record, eventIds: announced.eventIds }),
  );
  // A few at a time, so that bots get their turn.
  for (const few of slicesOf(sessions, SESSIONS_AT_ONCE)) {
    const groups = [...groupBy(few, ({ partition }) => partition)];
    const asked = groups.map(([partition, group]) => ({ partition, group }));
    await askPartitions(deps, asked, 'settle', ({ partition, group }) =>
      scripts.settle(partition, group, { ttlMs, takenAtUs: settlement.takenAtUs.get(partition) ?? '0' }),
    );
  }
}

/** Removes entries that Cauce did not write; a session they might have meant is in the dirty index. */
export async function dropMalformed(
  deps: AskDeps & { readonly keyspace: Keyspace },
  malformed: readonly { readonly partition: number; readonly id: string }[],
): Promise<void> {
  const { redis, keyspace } = deps;
  await askPartitions(deps, malformed, 'settle', async ({ partition, id }) => {
    countIn('settle', await redis.xack(keyspace.changes(partition), SYNC_GROUP, id));
    countIn('settle', await redis.xdel(keyspace.changes(partition), id));
  });
}

function toSettle(
  { session, eventIds }: AnnouncedSession,
  written: Version | undefined,
): SettleSession & { partition: number } {
  return { partition: session.partition, key: session.key, written, eventIds };
}
