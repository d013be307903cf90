import { expect, test } from 'vitest';
import { settleBatch } from '../../packages/sync-consumer/src/pipeline/settle-batch.ts';
import { takeStates } from '../../packages/sync-consumer/src/pipeline/take-states.ts';
import { createWorld, PARTITION, TTL_MS } from '../contract/lua/world.ts';

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
    onLeftAside: () => expect.fail('nothing is left aside'),
    nowMs: Date.now,
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
  const { rows, takenAtUs } = await takeStates(deps, announced);
  expect(rows).toHaveLength(sessions.length);
  expect(takenAtUs.get(PARTITION)).toBe(times[0]);
  await settleBatch(
    deps,
    { committed: rows, acknowledged: [], refused: [], held: [], takenAtUs },
    { ttlMs: TTL_MS },
  );
  expect(sizes).toEqual([AT_ONCE, AT_ONCE, 1, AT_ONCE, AT_ONCE, 1]);
  expect([await world.announced(), await world.pending()]).toEqual([[], 0]);
});
