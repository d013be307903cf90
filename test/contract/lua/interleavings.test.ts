import { createKeyspace, createScripts } from '@cauce/protocol';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { uniqueName } from '../../helpers/isolated.ts';
import { Interleaving, type Step } from './interleavings.model.ts';
import { createWorld } from './world.ts';

const RUNS = Number(process.env.CAUCE_INTERLEAVINGS ?? 150);

const who = fc.nat({ max: 5 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom('save', 'save', 'delete', 'replay', 'reissue'), who }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constantFrom('read', 'take', 'settle', 'settle', 'claim'), who }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('park', 'parkForLater', 'deleteConsumer'), who }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('sweep', 'sweep', 'trim', 'deleteStream', 'recreateGroup', 'recreateGroupAtEnd'),
    }),
  },
);

it('P1 P2 P3 P4 P8 hold after every step of any interleaving of bots, consumers, zombies and accidents', async () => {
  const shared = createWorld();
  const seen = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 3 }),
      fc.array(step, { minLength: 30, maxLength: 30, size: 'max' }),
      async (sessionCount, steps) => {
        // A keyspace of its own on the same connection.
        const keyspace = createKeyspace({ keyPrefix: uniqueName(), partitions: 1 });
        const world = createWorld({
          redis: shared.redis,
          keyspace,
          scripts: createScripts({ redis: shared.redis, keyspace }, { timeoutMs: 5000 }),
        });
        await world.open();
        const interleaving = new Interleaving(world, sessionCount);
        for (const each of steps) {
          await interleaving.perform(each);
          await interleaving.check();
          seen.set(each.do, (seen.get(each.do) ?? 0) + 1);
        }
        await interleaving.drain();
      },
    ),
    { numRuns: RUNS, endOnFailure: false },
  );
  expect([...seen.keys()].length).toBeGreaterThanOrEqual(15);
});
