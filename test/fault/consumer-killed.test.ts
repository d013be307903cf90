import { startTcpProxy } from '@cauce/dev-services';
import type { SyncPhase } from '@cauce/sync-consumer';
import { expect, onTestFinished, test } from 'vitest';
import { spawnPausingConsumer } from '../helpers/consumer-process.ts';
import { eventually } from '../helpers/eventually.ts';
import { expectSynced, refOf, saveUsers, userIds } from '../helpers/expect-synced.ts';
import { createPipeline } from '../helpers/pipeline.ts';

const users = userIds(40);

test.each<{ after: SyncPhase; rowsBefore: number }>([
  { after: 'read', rowsBefore: 0 },
  { after: 'taken', rowsBefore: 0 },
  { after: 'committed', rowsBefore: 40 },
])(
  'a consumer SIGKILLed after $after loses nothing; another takes over its events (P4)',
  async ({ after, rowsBefore }) => {
    const pipeline = await createPipeline();
    const acknowledged = await saveUsers(pipeline, users, { step: 1 });
    const victim = await spawnPausingConsumer(pipeline, after, { SYNC_BATCHES_IN_FLIGHT: '1' });
    await victim.untilPaused();
    await victim.kill('SIGKILL');

    const { rows } = await pipeline.pool.query(`SELECT count(*)::int AS count FROM ${pipeline.table}`);
    expect(rows).toEqual([{ count: rowsBefore }]);
    expect(await pipeline.countEvents()).toBe(40);

    pipeline.startSync();
    await expectSynced(pipeline, acknowledged);
  },
);

test('a consumer killed while its settling reaches Redis and no answer comes back loses nothing (P4)', async () => {
  const pipeline = await createPipeline();
  const proxy = await startTcpProxy({ targetPort: Number(new URL(pipeline.redisUrl).port) });
  onTestFinished(() => proxy.stop());
  const acknowledged = await saveUsers(pipeline, users, { step: 1 });
  const victim = await spawnPausingConsumer(pipeline, 'committed', {
    SYNC_BATCHES_IN_FLIGHT: '1',
    REDIS_URL: proxy.urlFor(pipeline.redisUrl),
  });
  await victim.untilPaused();
  proxy.dropReplies();
  victim.write('go on\n');
  await eventually(async () => expect(await pipeline.countEvents()).toBe(0));
  await victim.kill('SIGKILL');
  await expectSynced(pipeline, acknowledged);
});

test('a consumer killed at any moment, again and again under load, loses nothing (P4)', async () => {
  const pipeline = await createPipeline();
  const acknowledged = await saveUsers(pipeline, users, { step: 0 });
  for (let round = 1; round <= 6; round++) {
    await saveUsers(pipeline, users, { round }, acknowledged);
    const victim = await spawnPausingConsumer(pipeline, 'taken', { SESSION_SYNC_INTERVAL: '10' });
    await victim.untilPaused();
    victim.write('go on\n');
    for (let step = 0; step < round * 2; step++)
      await saveUsers(pipeline, users, { round, step }, acknowledged);
    await victim.kill('SIGKILL');
  }
  pipeline.startSync();
  await expectSynced(pipeline, acknowledged);
});

test('a consumer stopped past the claim time wakes up and overwrites nothing newer (P3)', async () => {
  const pipeline = await createPipeline();
  const acknowledged = await saveUsers(pipeline, users, { step: 'old' });
  const sleeper = await spawnPausingConsumer(pipeline, 'taken', { SYNC_BATCHES_IN_FLIGHT: '1' });
  await sleeper.untilPaused();
  sleeper.pause();

  const sync = pipeline.startSync();
  await expectSynced(pipeline, acknowledged);
  await saveUsers(pipeline, users, { step: 'new' }, acknowledged);
  const cleared = await pipeline.clear(refOf('u0'));
  acknowledged.set('u0', { version: cleared, state: null });
  await expectSynced(pipeline, acknowledged);
  await sync.stop();

  sleeper.resume();
  sleeper.write('go on\n');
  await saveUsers(pipeline, ['late'], { step: 'after' }, acknowledged);
  await expectSynced(pipeline, acknowledged);
});
