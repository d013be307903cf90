import { createKeyspace, createScripts } from '@cauce/protocol';
import { startRedis } from '@cauce/dev-services';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { keysSentBy, scriptCases, scriptMethods } from './script-cases.ts';
import { createWorld, type World } from './world.ts';

/** Ids that would break out of the hash tag or the key if they were not encoded. */
const hostileIds = [
  '{1}',
  '}{',
  '{}',
  '}:x:{2}',
  'a:b',
  ':',
  '{0}:changes',
  '*?[a-z]',
  'ñandú 🦤',
  '%7B0%7D',
  'x'.repeat(256),
];

let clusterUrl = '';
let stop = async (): Promise<void> => {};

beforeAll(async () => {
  const server = await startRedis({ appendOnly: false, extraArgs: ['--cluster-enabled', 'yes'] });
  clusterUrl = server.url;
  stop = () => server.stop();
});
afterAll(() => stop());

async function withCluster<T>(act: (cluster: Redis) => Promise<T>): Promise<T> {
  const cluster = new Redis(clusterUrl);
  try {
    return await act(cluster);
  } finally {
    cluster.disconnect();
  }
}

/** The same calls as `world`, for the session of a hostile tenant and user. */
function withIds(world: World, tenantId: string, userId: string): World {
  const keyspace = createKeyspace({ keyPrefix: world.keyspace.keyPrefix, partitions: 64 });
  return {
    ...world,
    keyspace,
    scripts: createScripts({ redis: world.redis, keyspace }, { timeoutMs: 1000 }),
    session: () => keyspace.locate({ tenantId, userId }),
  };
}

it.each(scriptMethods)('F16 all keys of %s lie in one slot of a cluster, whatever the ids', async (method) => {
  const world = createWorld();
  await withCluster(async (cluster) => {
    for (const [i, id] of hostileIds.entries()) {
      const other = hostileIds[(i * 7 + 3) % hostileIds.length] ?? id;
      const hostile = withIds(world, id, other);
      const { partition } = hostile.session();
      const { run } = scriptCases(hostile)[method];
      const keys = await keysSentBy(world.redis, run);
      // Batch scripts are told a partition: PARTITION 0 in the cases, so only its fixed keys are compared.
      const compared = keys.filter((key) => key.includes(`{${partition}}`) || key.includes('{tenant:'));
      const slots = new Set<number>();
      for (const key of compared) slots.add(Number(await cluster.cluster('KEYSLOT', key)));
      expect(slots.size, compared.join(' ')).toBeLessThanOrEqual(1);
    }
  });
});
