import { startRedis } from '@cauce/dev-services';
import { createKeyspace } from '@cauce/protocol';
import { beforeAll, expect, it } from 'vitest';
import { connectRedis } from '../../helpers/isolated.ts';
import { ownEverySlot } from '../../helpers/one-node-cluster.ts';
import { scriptCases, scriptMethods } from './script-cases.ts';
import { createWorld } from './world.ts';

/** Ids that would break out of the hash tag or of the key if they were not encoded. */
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
];

let url = '';

beforeAll(async () => {
  const server = await startRedis({ appendOnly: false, extraArgs: ['--cluster-enabled', 'yes'] });
  url = server.url;
  return () => server.stop();
});

it.each(scriptMethods)('F16 %s runs in a cluster, whatever the ids', async (method) => {
  await ownEverySlot(connectRedis(url));
  for (const [i, userId] of hostileIds.entries()) {
    const world = createWorld({ url });
    const tenantId = hostileIds[(i + 3) % hostileIds.length] ?? userId;
    const session = (name = '') => world.keyspace.locate({ tenantId, userId: userId + name });
    const { prepare, run } = scriptCases({ ...world, session })[method];
    await prepare();
    await run();
  }
});

it('F16 save with a budget runs in a cluster, and tells tenants apart, whatever the ids', async () => {
  await ownEverySlot(connectRedis(url));
  const { keyspace, scripts, redis } = createWorld({ url });
  for (const tenantId of hostileIds) {
    const session = keyspace.locate({ tenantId, userId: ':' });
    const call = { session, state: '"x"', isTombstone: false, opId: 'one' };
    expect(await scripts.save([call], { maxBytes: 10, budgetBytes: 10 })).toMatchObject([
      { outcome: 'saved' },
    ]);
  }
  expect(await redis.hvals(keyspace.unsynced(0))).toEqual(hostileIds.map(() => '3'));
});

it('F16 every key of a session and of its partition lies in one slot', async () => {
  const cluster = connectRedis(url);
  await ownEverySlot(cluster);
  const keyspace = createKeyspace({ keyPrefix: 'sess', partitions: 64 });
  for (const tenantId of hostileIds) {
    for (const userId of hostileIds) {
      const session = keyspace.locate({ tenantId, userId });
      const keys = [
        session.key,
        ...(['changes', 'dirty', 'meta', 'parked', 'unsynced', 'barrier'] as const).map((name) =>
          keyspace[name](session.partition),
        ),
      ];
      const slots = await Promise.all(keys.map((key) => cluster.cluster('KEYSLOT', key)));
      expect(new Set(slots).size, keys.join(' ')).toBe(1);
    }
    const tenant = keyspace.tenant(tenantId);
    expect(await cluster.cluster('KEYSLOT', tenant.info)).toBe(
      await cluster.cluster('KEYSLOT', tenant.lease),
    );
  }
});

it('F16 64 partitions lie in 64 slots', async () => {
  const cluster = connectRedis(url);
  const keyspace = createKeyspace({ partitions: 64 });
  const slots = await Promise.all(
    Array.from({ length: 64 }, (_, partition) => cluster.cluster('KEYSLOT', keyspace.changes(partition))),
  );
  expect(new Set(slots).size).toBe(64);
});
