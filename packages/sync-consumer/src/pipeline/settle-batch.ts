import {
  countIn,
  type Keyspace,
  nextParkedRecord,
  type ParkedRecord,
  type Scripts,
  type SettleSession,
  SYNC_GROUP,
  type Version,
} from '@cauce/protocol';
import { type AskDeps, askPartitions } from '../redis/ask-partitions.ts';
import type { AnnouncedSession } from './dedupe-by-session.ts';
import type { Fate, TakenRow } from './fate.ts';
import { groupBy } from './group-by.ts';
import { SESSIONS_AT_ONCE, slicesOf } from './slices-of.ts';

export interface SettleDeps extends AskDeps {
  readonly scripts: Pick<Scripts, 'settle' | 'park'>;
  /** Time of day, ms since 1970. */
  readonly wallClockMs: () => number;
}

export interface SettleOptions {
  /** How long a synced session stays in Redis, ms. */
  readonly ttlMs: number;
  /** When each partition was read, Redis' clock in µs. */
  readonly takenAtUs: ReadonlyMap<number, string>;
}

/**
 * Acknowledges the events of a batch, only after the commit or the parking (P4). Sessions saved since stay dirty
 * and are announced again by the script.
 * What was not settled stays pending and is claimed again, which is harmless. @throws RedisError as askPartitions
 */
export async function settleBatch(
  deps: SettleDeps,
  fates: readonly Fate[],
  { ttlMs, takenAtUs }: SettleOptions,
): Promise<void> {
  const { scripts, wallClockMs } = deps;
  const { parks, settles } = planCalls(fates, wallClockMs());
  await askPartitions(deps, parks, 'park', ({ row: { announced, version }, record }) =>
    scripts.park(announced.session, { version, record, eventIds: announced.eventIds }),
  );
  // A few at a time, so that bots get their turn.
  for (const few of slicesOf(settles, SESSIONS_AT_ONCE)) {
    const groups = [...groupBy(few, ({ partition }) => partition)];
    const asked = groups.map(([partition, group]) => ({ partition, group }));
    await askPartitions(deps, asked, 'settle', ({ partition, group }) =>
      scripts.settle(partition, group, { ttlMs, takenAtUs: takenAtUs.get(partition) ?? '0' }),
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

interface Settle extends SettleSession {
  readonly partition: number;
}

interface Park {
  readonly partition: number;
  readonly row: TakenRow;
  readonly record: ParkedRecord;
}

/** Which of the scripts each session needs. Pure. */
function planCalls(fates: readonly Fate[], nowMs: number): { parks: Park[]; settles: Settle[] } {
  const parks: Park[] = [];
  const settles: Settle[] = [];
  for (const fate of fates) {
    switch (fate.outcome) {
      case 'written':
      case 'duplicate':
        settles.push(toSettle(fate.row.announced, fate.row.version));
        break;
      case 'superseded':
      case 'conflict':
      case 'reissued':
        settles.push(toSettle(fate.row.announced, undefined));
        break;
      case 'clean':
        settles.push(toSettle(fate.announced, undefined));
        break;
      case 'parked': {
        const { row, sqlState } = fate;
        parks.push(toPark(row, nextParkedRecord(row.parked, { version: row.version, sqlState }, nowMs)));
        break;
      }
      case 'held':
        parks.push(toPark(fate.row, fate.record));
        break;
      case 'postponed':
      case 'fenced':
      case 'skipped':
      case 'deferred':
      case 'expired':
        // Its events stay pending.
        break;
      default:
        fate satisfies never;
    }
  }
  return { parks, settles };
}

/** `written`: the version that is in PostgreSQL now, if it is one of this batch. */
function toSettle({ session, eventIds }: AnnouncedSession, written: Version | undefined): Settle {
  return { partition: session.partition, key: session.key, written, eventIds };
}

function toPark(row: TakenRow, record: ParkedRecord): Park {
  return { partition: row.announced.session.partition, row, record };
}
