import type { PartitionMode, Queries } from '@cauce/postgres';
import { type Keyspace, parseMode, type Scripts } from '@cauce/protocol';
import type { Logger } from 'pino';
import { type AskDeps, askPartitions } from '../redis/ask-partitions.ts';

export interface FollowModesDeps extends AskDeps {
  readonly keyspace: Keyspace;
  readonly scripts: Pick<Scripts, 'openPartition' | 'install'>;
  readonly queries: Pick<Queries, 'readModes'>;
  readonly logger: Logger;
}

/**
 * Installs the writer modes of PostgreSQL in the partitions whose copy in Redis is behind or void (P10): somebody changed
 * a mode and ended before Redis knew, or Redis was restarted or promoted. Nothing to do where no modes are stored, and
 * nothing can be done while PostgreSQL is away.
 *
 * @throws RedisError as askPartitions
 */
export async function followModes(deps: FollowModesDeps): Promise<void> {
  const { redis, keyspace, scripts, queries, logger } = deps;
  const stored = await readModes(queries);
  const behind = (
    await askPartitions(deps, stored, 'install', async (one) => {
      const copied = parseMode((await redis.hget(keyspace.meta(one.partition), 'mode')) ?? '');
      const isBehind = !copied || copied.mode === 'void' || BigInt(copied.term) < BigInt(one.term);
      return isBehind ? [one] : [];
    })
  ).flat();
  if (behind.length === 0) return;
  const opened = await askPartitions(deps, behind, 'install', async ({ partition }) => {
    const reply = await scripts.openPartition(partition, {
      ...{ floor: '0', createGroup: false, isOfRollout: true },
    });
    return reply.outcome === 'mismatch' ? [] : [{ partition, epoch: reply.epoch }];
  });
  // After the epochs: who sleeps from here on installs nothing that is over.
  const modes = new Map((await readModes(queries)).map((one) => [one.partition, one]));
  const installed = await askPartitions(deps, opened.flat(), 'install', async ({ partition, epoch }) => {
    const one = modes.get(partition);
    if (!one) return 'known';
    const { mode, term, period, floor } = one;
    return (await scripts.install(partition, { mode, term, period, floor, epoch })).outcome;
  });
  const partitions = installed.filter((outcome) => outcome === 'installed').length;
  if (partitions > 0) logger.info({ partitions }, 'installed the writer mode of partitions in Redis');
}

/** None while PostgreSQL is away, which the syncing notices and says. */
async function readModes(queries: Pick<Queries, 'readModes'>): Promise<readonly PartitionMode[]> {
  try {
    return await queries.readModes();
  } catch {
    return [];
  }
}
