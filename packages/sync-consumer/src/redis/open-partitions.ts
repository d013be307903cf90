import {
  type Epoch,
  type Keyspace,
  LayoutMismatchError,
  type OpenPartitionReply,
  PARTITION_HASH,
  PROTOCOL_VERSION,
  type Scripts,
} from '@cauce/protocol';
import type { PostgresGate } from '../postgres/gate.ts';
import type { Layout, Queries } from '../postgres/queries.ts';
import { type AskDeps, askAllPartitions } from './ask-partitions.ts';

export interface OpenDeps extends AskDeps {
  readonly keyspace: Keyspace;
  readonly scripts: Pick<Scripts, 'openPartition'>;
  readonly queries: Pick<Queries, 'pinLayout' | 'maxVersion'>;
  readonly gate: PostgresGate;
}

export interface OpenedPartitions {
  /** Partitions Redis knew nothing of: all on first contact, later a sign that Redis lost its data. */
  readonly created: number;
  /** Of each partition that answered. A new one: Redis was restarted, promoted or moved, and may have lost the end of its data. */
  readonly serverEpochs: ReadonlyMap<number, Epoch>;
}

/**
 * Pins the layout in PostgreSQL on first contact and compares it ever after.
 * @throws LayoutMismatchError, AbortError (it waits for PostgreSQL)
 */
export async function pinLayout(
  { keyspace, queries, gate }: Pick<OpenDeps, 'keyspace' | 'queries' | 'gate'>,
  signal: AbortSignal,
): Promise<void> {
  const pinned = await gate.through(signal, () => queries.pinLayout(keyspace.partitions));
  if (describeLayout(pinned) !== describeLayout(ourLayout(keyspace)))
    throw layoutMismatch('PostgreSQL', pinned, keyspace);
}

/**
 * Pins and compares the layout in Redis, creates the consumer groups, and gives partitions that were never
 * given a floor the newest version PostgreSQL has (P3). Safe to repeat at any time.
 *
 * @throws LayoutMismatchError, RedisError as askAllPartitions, AbortError (it waits for PostgreSQL when a floor is
 *   missing)
 */
export async function openPartitions(deps: OpenDeps, signal: AbortSignal): Promise<OpenedPartitions> {
  const { keyspace, scripts, queries, gate } = deps;
  const opened = await open('0');
  if (opened.some(({ isSeeded }) => !isSeeded)) {
    const newest = await gate.through(signal, () => queries.maxVersion());
    // '0' would say that there is no floor yet.
    await open(newest === '0' ? '1' : newest);
  }
  return {
    created: opened.filter(({ outcome }) => outcome === 'created').length,
    serverEpochs: new Map(opened.map(({ partition, serverEpoch }) => [partition, serverEpoch])),
  };

  async function open(floor: string): Promise<OpenedPartition[]> {
    const replies = await askAllPartitions(deps, 'open', async ({ partition }) => ({
      partition,
      ...(await scripts.openPartition(partition, { floor, createGroup: true })),
    }));
    return replies.map((reply) => {
      if (reply.outcome === 'mismatch') throw layoutMismatch('Redis', reply, keyspace);
      return reply;
    });
  }
}

type OpenedPartition = Exclude<OpenPartitionReply, { outcome: 'mismatch' }> & { readonly partition: number };

function ourLayout({ partitions }: Keyspace): Layout {
  return { partitions, hash: PARTITION_HASH, protocol: PROTOCOL_VERSION };
}

type FoundLayout = { readonly [Field in keyof Layout]: string | number };

function describeLayout({ partitions, hash, protocol }: FoundLayout): string {
  return `${partitions} partitions by ${hash}, protocol ${protocol}`;
}

/** What was found in a store is not what this process is set to. */
export function layoutMismatch(store: string, found: FoundLayout, keyspace: Keyspace): LayoutMismatchError {
  return new LayoutMismatchError(
    `The data in ${store} was written with ${describeLayout(found)}; this process is set to ` +
      `${describeLayout(ourLayout(keyspace))}. ` +
      'Set SESSION_PARTITIONS (and SESSION_KEY_PREFIX) as they were, or use a release that speaks that protocol.',
  );
}
