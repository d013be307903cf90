import {
  countIn,
  type Keyspace,
  listIn,
  pairsIn,
  type RedisConnection,
  type Scripts,
  SYNC_GROUP,
  textIn,
} from '@cauce/protocol';
import { type AskDeps, askPartitions } from '../redis/ask-partitions.ts';

export interface ForgetDeps extends AskDeps {
  readonly keyspace: Keyspace;
  readonly scripts: Pick<Scripts, 'forgetConsumer'>;
}

/**
 * Removes the names of consumers that have been silent for `idleMs` and have nothing pending (the script checks
 * that: deleting a consumer would drop its pending entries). Returns how many were removed.
 * @throws RedisError as askPartitions
 */
export async function forgetConsumers(deps: ForgetDeps, { idleMs }: { idleMs: number }): Promise<number> {
  const { redis, keyspace, scripts } = deps;
  let forgotten = 0;
  for (let partition = 0; partition < keyspace.partitions; partition++) {
    await askPartitions(deps, [{ partition }], 'forget', () => forgetOf(partition));
  }
  return forgotten;

  async function forgetOf(partition: number): Promise<void> {
    const consumers = await listConsumers(redis, keyspace, partition);
    for (const { name, idleMs: idle, pending } of consumers) {
      if (idle < idleMs || pending > 0) continue;
      if ((await scripts.forgetConsumer(partition, { consumer: name })) === 'forgotten') forgotten++;
    }
  }
}

export interface GroupConsumer {
  readonly name: string;
  readonly pending: number;
  readonly idleMs: number;
}

/** The consumers of a partition's group; none while the group does not exist. */
export async function listConsumers(
  redis: RedisConnection,
  keyspace: Keyspace,
  partition: number,
): Promise<GroupConsumer[]> {
  const reply = await redis
    .xinfo('CONSUMERS', keyspace.changes(partition), SYNC_GROUP)
    .catch((error: Error) => {
      if (/NOGROUP|no such key/i.test(error.message)) return [];
      throw error;
    });
  return listIn('consumers', reply).map((flat) => {
    const fields = pairsIn('consumers', flat);
    return {
      name: textIn('consumers', fields.get('name')),
      pending: countIn('consumers', fields.get('pending')),
      idleMs: countIn('consumers', fields.get('idle')),
    };
  });
}
