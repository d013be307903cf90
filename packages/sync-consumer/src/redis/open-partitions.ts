import type { Layout, Queries } from '@cauce/postgres';
import {
  type Epoch,
  type Keyspace,
  LayoutMismatchError,
  PARTITION_HASH,
  PROTOCOL_VERSION,
  printable,
  protocolProblem,
  type Scripts,
  type TableIdentity,
  tableMismatch,
} from '@cauce/protocol';
import type { CircuitBreaker } from '../postgres/circuit-breaker.ts';
import { type AskDeps, askAllPartitions, askPartitions } from './ask-partitions.ts';
import { refuseOtherTable } from './refuse-other-table.ts';

export interface OpenDeps extends AskDeps {
  readonly keyspace: Keyspace;
  readonly scripts: Pick<Scripts, 'openPartition'>;
  readonly queries: Pick<Queries, 'identifyTable' | 'pinLayout' | 'maxVersion'>;
  readonly circuit: CircuitBreaker;
}

export interface OpenedPartitions {
  /** Partitions Redis knew nothing of: all on first contact, later a sign that Redis lost its data. */
  readonly created: number;
  /** Partitions whose stream took no more events and was created again: what it announced has to be swept. */
  readonly renewed: number;
  /**
   * Of each partition that answered. A new one: Redis was restarted, promoted or moved, and may have lost the end of
   * its data.
   */
  readonly serverEpochs: ReadonlyMap<number, Epoch>;
}

/**
 * Learns which table this is. Stores the layout in it the first time, and compares it from then on; but not in a table
 * of another prefix. @throws TableMismatchError, LayoutMismatchError, RedisError, AbortError (it waits for
 *   PostgreSQL)
 */
export async function pinLayout(
  { redis, keyspace, queries, circuit }: Pick<OpenDeps, 'redis' | 'keyspace' | 'queries' | 'circuit'>,
  signal: AbortSignal,
): Promise<TableIdentity> {
  const table = await circuit.through(signal, () => queries.identifyTable());
  await refuseOtherTable({ redis, keyspace }, table);
  const pinned = await circuit.through(signal, () => queries.pinLayout(keyspace.partitions));
  // Its protocol is the one that was first; how the table is read does not depend on it.
  if (pinned.partitions !== keyspace.partitions || pinned.hash !== PARTITION_HASH)
    throw layoutMismatch('PostgreSQL', pinned, keyspace);
  return table;
}

/**
 * Pins and compares the layout in Redis and the table its sessions are synced to, creates the consumer groups, and
 * gives partitions that were never given a floor, or whose floor is gone or cannot be counted on from, the newest
 * version PostgreSQL has (P3). Safe to repeat at any time.
 *
 * @param table the one this process syncs to
 * @throws LayoutMismatchError, TableMismatchError, RedisError as askAllPartitions, AbortError (it waits for PostgreSQL
 *   when a floor is missing)
 */
export async function openPartitions(
  deps: OpenDeps,
  { table, signal }: { readonly table: TableIdentity; readonly signal: AbortSignal },
): Promise<OpenedPartitions> {
  const { keyspace, scripts, queries, circuit } = deps;
  // Nobody's claim: first it is known of every partition whether it is another table's.
  const opened = await askAllPartitions(deps, 'open', openWith('0'));
  const isSeeded = opened.every((one) => one.isSeeded);
  if (!isSeeded || opened.some(({ syncedTo }) => !syncedTo)) {
    const newest = isSeeded ? '0' : await circuit.through(signal, () => queries.maxVersion());
    // '0' would say that there is no floor yet.
    const floor = newest === '0' ? '1' : newest;
    // Of two processes with two tables, one gets the first partition, and with it the others.
    await askPartitions(deps, [{ partition: 0 }], 'open', openWith(floor));
    await askAllPartitions(deps, 'open', openWith(floor));
  }
  return {
    created: opened.filter(({ outcome }) => outcome === 'created').length,
    renewed: opened.filter(({ outcome }) => outcome === 'renewed').length,
    serverEpochs: new Map(opened.map(({ partition, serverEpoch }) => [partition, serverEpoch])),
  };

  function openWith(floor: string) {
    return async ({ partition }: { partition: number }) => {
      const reply = await scripts.openPartition(partition, { floor, createGroup: true, table });
      if (reply.outcome === 'mismatch') throw layoutMismatch('Redis', reply, keyspace);
      if (reply.outcome === 'other_table' && reply.syncedTo) {
        throw tableMismatch(keyspace.keyPrefix, { syncedTo: reply.syncedTo, found: table });
      }
      return { partition, ...reply };
    };
  }
}

function ourLayout({ partitions }: Keyspace): Layout {
  return { partitions, hash: PARTITION_HASH, protocol: PROTOCOL_VERSION };
}

type FoundLayout = { readonly [Field in keyof Layout]: string | number };

function describeLayout({ partitions, hash, protocol }: FoundLayout): string {
  return printable(`${partitions} partitions by ${hash}, protocol ${protocol}`);
}

/** What was found in a store is not what this process is set to. */
export function layoutMismatch(
  store: string,
  found: FoundLayout & { readonly minProtocol?: string },
  keyspace: Keyspace,
): LayoutMismatchError {
  const { protocol, minProtocol } = found;
  const problem = minProtocol !== undefined && protocolProblem({ protocol: String(protocol), minProtocol });
  return new LayoutMismatchError(
    `The data in ${store} was written with ${describeLayout(found)}; this process is set to ` +
      `${describeLayout(ourLayout(keyspace))}. ` +
      (problem || 'Set SESSION_PARTITIONS (and SESSION_KEY_PREFIX) as they were.'),
  );
}
