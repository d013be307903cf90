import { expect, test } from 'vitest';
import { createCli, secretState, user } from './cli.ts';

test('shows who holds what, for how long, how often delivered, and whether the consumer lives', async () => {
  const cli = await createCli({ partitions: 1 });
  for (let i = 0; i < 3; i++) await cli.save(user(`u${i}`), secretState());
  await cli.abandon('dead');
  const changes = cli.keyspace.changes(0);
  const [[id]] = (await cli.redis.xpending(changes, 'sync', '-', '+', 1)) as [[string]];
  await cli.redis.xclaim(changes, 'sync', 'dead', 0, id, 'IDLE', 60_000);
  await cli.save(user('u9'), secretState());
  await cli.abandon('alive');
  const heartbeat = {
    consumer: 'alive',
    startedAtMs: 1,
    seenAtMs: Date.now(),
    state: 'running',
    syncs: 0,
    failedSyncs: 0,
  };
  await cli.redis.hset(cli.keyspace.consumers(), 'alive', JSON.stringify(heartbeat));

  const { code, json } = await cli.runJson(['pending']);

  expect(code).toBe(0);
  expect(json).toMatchObject({
    v: 1,
    events: 4,
    consumers: [
      { partition: 0, consumer: 'alive', events: 1, maxDeliveries: 1, isLive: true },
      { partition: 0, consumer: 'dead', events: 3, maxDeliveries: 2, isLive: false, isTruncated: false },
    ],
  });
  const dead = (json.consumers as { minIdleMs: number; maxIdleMs: number }[])[1];
  expect(dead?.maxIdleMs).toBeGreaterThanOrEqual(60_000);
  expect(dead?.minIdleMs).toBeLessThan(60_000);
});

test('says that nothing is pending, also before there is a group', async () => {
  const cli = await createCli();
  await cli.save(user('ana'), secretState());
  expect(await cli.run(['pending'])).toMatchObject({ code: 0, stdout: 'Nothing is pending.\n' });
});

test('needs no PostgreSQL', async () => {
  const cli = await createCli();
  const { DATABASE_URL: _, ...env } = cli.env;
  expect((await cli.run(['pending', '--partition', '3'], { env })).code).toBe(0);
});
