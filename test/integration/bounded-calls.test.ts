import { MAX_SCRIPT_BYTES } from '@cauce/protocol';
import { expect, test } from 'vitest';
import type { AnnouncedSession } from '../../packages/sync-consumer/src/pipeline/dedupe-by-session.ts';
import { toTakeAgain } from '../../packages/sync-consumer/src/pipeline/fate.ts';
import { settleBatch } from '../../packages/sync-consumer/src/pipeline/settle-batch.ts';
import { MAX_BATCH_BYTES, takeStates } from '../../packages/sync-consumer/src/pipeline/take-states.ts';
import type { PartitionFailure } from '../../packages/sync-consumer/src/redis/ask-partitions.ts';
import { createWorld, PARTITION, TTL_MS } from '../contract/lua/world.ts';
import { createPipeline } from '../helpers/pipeline.ts';

/** What one script call may hold up Redis for. */
const AT_ONCE = 100;

test('a large batch is taken and settled a few sessions at a time, and the earliest time of taking counts', async () => {
  const world = createWorld();
  await world.open();
  const sessions = Array.from({ length: 2 * AT_ONCE + 1 }, (_, i) => world.session(`user${i}`));
  for (const session of sessions) await world.save(session);
  const eventOf = new Map((await world.read()).map(({ id, key }) => [key, id]));
  const announced = sessions.map((session) => ({ session, eventIds: [eventOf.get(session.key) ?? ''] }));

  const sizes: number[] = [];
  const times: string[] = [];
  const { redis, scripts } = world;
  const deps = {
    redis,
    onSkipped: () => expect.fail('nothing is skipped'),
    wallClockMs: Date.now,
    scripts: {
      ...scripts,
      take: async (...call: Parameters<typeof scripts.take>) => {
        sizes.push(call[1].length);
        const reply = await scripts.take(...call);
        times.push(reply.takenAtUs);
        return reply;
      },
      settle: (...call: Parameters<typeof scripts.settle>) => {
        sizes.push(call[1].length);
        return scripts.settle(...call);
      },
    },
  };
  const { rows, takenAtUs } = await takeStates(deps, announced, { maxBytes: MAX_BATCH_BYTES });
  expect(rows).toHaveLength(sessions.length);
  expect(takenAtUs.get(PARTITION)).toBe(times[0]);
  const fates = rows.map((row) => ({ outcome: 'written', row }) as const);
  await settleBatch(deps, fates, { ttlMs: TTL_MS, takenAtUs });
  expect(sizes).toEqual([AT_ONCE, AT_ONCE, 1, AT_ONCE, AT_ONCE, 1]);
  expect([await world.announced(), await world.pending()]).toEqual([[], 0]);
});

test('the states of a batch are bounded together, over however many partitions, and all come in the end', async () => {
  const pipeline = await createPipeline({ partitions: 64 });
  const sizes = Array.from({ length: 90 }, (_, i) => (i % 3 === 0 ? 1000 : 300_000 + 1000 * i));
  const announced = await Promise.all(
    sizes.map(async (size, i) => {
      const ref = { tenantId: 'acme', userId: `user${i}` };
      await pipeline.save(ref, 'x'.repeat(size - 2));
      return { session: pipeline.keyspace.locate(ref), eventIds: [] };
    }),
  );
  const deps = { ...pipeline, onSkipped: () => expect.fail('nothing is skipped') };
  const found: number[] = [];
  for (let left: readonly AnnouncedSession[] = announced, inTurn = false; left.length > 0; inTurn = true) {
    const { rows, fates } = await takeStates(deps, left, { maxBytes: MAX_BATCH_BYTES, inTurn });
    expect(rows.length + fates.length).toBe(left.length);
    expect(fates.every(({ outcome }) => outcome === 'deferred')).toBe(true);
    const taken = rows.map(({ state }) => state?.length ?? 0);
    expect(taken.length).toBeGreaterThan(0);
    expect(taken.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(MAX_BATCH_BYTES);
    found.push(...taken);
    left = toTakeAgain(fates);
  }
  expect(found.sort()).toEqual(sizes.sort());
});

test('a state larger than a batch is deferred in front of the others, and is taken alone', async () => {
  const pipeline = await createPipeline({ partitions: 64 });
  const take = (announced: readonly AnnouncedSession[], maxBytes: number) =>
    takeStates({ ...pipeline, onSkipped }, announced, { maxBytes });
  const failures: PartitionFailure[] = [];
  const onSkipped = (left: readonly PartitionFailure[]) => {
    failures.push(...left);
  };
  const announce = async (userId: string, stateBytes: number): Promise<AnnouncedSession> => {
    const ref = { tenantId: 'acme', userId };
    await pipeline.save(ref, 'x'.repeat(stateBytes - 2));
    return { session: pipeline.keyspace.locate(ref), eventIds: [] };
  };
  const [large, small] = [await announce('ana', MAX_BATCH_BYTES + 1), await announce('bo', 10)];
  const together = await take([large, small], MAX_BATCH_BYTES);
  expect(together.rows.map(({ announced }) => announced)).toEqual([small]);
  expect(together.fates).toEqual([{ outcome: 'deferred', announced: large }]);
  expect((await take([large], MAX_SCRIPT_BYTES)).rows).toHaveLength(1);
  expect(failures).toEqual([]);

  // Not by a bot, whose states end at this size.
  const tooLarge = await announce('cy', MAX_SCRIPT_BYTES + 1);
  const { rows, fates } = await take([tooLarge], MAX_SCRIPT_BYTES);
  expect([rows, fates]).toEqual([[], [{ outcome: 'skipped', announced: tooLarge }]]);
  expect(failures.map(({ error }) => error.failure.reason)).toEqual(['OVERSIZE']);
});
