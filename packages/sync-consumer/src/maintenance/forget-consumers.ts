import { type Keyspace, type RedisConnection, type Scripts, SYNC_GROUP } from '@cauce/protocol';
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
  return (reply as unknown[][]).map((flat) => {
    const fields = new Map<unknown, unknown>();
    for (let i = 0; i < flat.length; i += 2) fields.set(flat[i], flat[i + 1]);
    return {
      name: String(fields.get('name')),
      pending: Number(fields.get('pending')),
      idleMs: Number(fields.get('idle')),
    };
  });
}
