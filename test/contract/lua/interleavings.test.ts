import { createKeyspace, createScripts } from '@cauce/protocol';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { uniqueName } from '../../helpers/isolated.ts';
import { Interleaving, type Step } from './interleavings.model.ts';
import { createWorld } from './world.ts';

const RUNS = Number(process.env.CAUCE_INTERLEAVINGS ?? 150);

const who = fc.nat({ max: 5 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constantFrom('save', 'save', 'save', 'delete', 'replay', 'reissue'), who }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('read', 'claim', 'take'), who }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constantFrom('begin', 'takeOver', 'settle'), who }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('park', 'parkForLater', 'parkForLater'), who }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('sweep') }) },
  {
    weight: 2,
    arbitrary: fc.oneof(
      fc.record({ do: fc.constant('deleteConsumer'), who }),
      fc.record({ do: fc.constantFrom('trim', 'deleteStream', 'recreateGroup', 'recreateGroupAtEnd') }),
    ),
  },
);

/** A consumer that took a state and then stopped, while another one synced a newer one: rare by chance. */
const zombie: fc.Arbitrary<Step[]> = who.map((it) => [
  { do: 'begin', who: it },
  { do: 'save', who: it },
  { do: 'takeOver', who: it + 1 },
  { do: 'settle', who: it + 1 },
]);

const steps: fc.Arbitrary<Step[]> = fc
  .array(
    fc.oneof(
      {
        weight: 19,
        arbitrary: step.map((only) => [only]),
      },
      { weight: 1, arbitrary: zombie },
    ),
    { minLength: 26, maxLength: 34, size: 'max' },
  )
  .map((fragments) => fragments.flat());

const by = (
  who: number,
  ...actions: ('save' | 'begin' | 'takeOver' | 'settle' | 'park' | 'parkForLater' | 'reissue')[]
): Step[] => actions.map((action) => ({ do: action, who }));

/** Every outcome at least once, so that the list below does not depend on luck. */
const certain: readonly Step[][] = [
  [...by(0, 'save', 'begin', 'save'), ...by(1, 'takeOver', 'settle'), ...by(0, 'save', 'settle')],
  [
    ...by(0, 'save', 'begin', 'save'),
    ...by(1, 'takeOver', 'settle'),
    ...by(0, 'settle', 'reissue', 'reissue'),
  ],
  [...by(0, 'save', 'begin'), ...by(1, 'takeOver', 'settle'), ...by(0, 'park')],
  [...by(0, 'save', 'begin', 'save', 'park', 'begin', 'save', 'settle')],
  [...by(0, 'save', 'begin', 'parkForLater'), { do: 'sweep' }],
  [...by(0, 'save'), { do: 'sweep' }, { do: 'deleteStream' }, { do: 'sweep' }, ...by(0, 'begin', 'settle')],
];

it('P1 P2 P3 P4 P8 hold after every step of any interleaving of bots, consumers, zombies and accidents', async () => {
  const shared = createWorld();
  const outcomes = new Set<string>();
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 3 }), steps, async (sessionCount, interleaved) => {
      // A keyspace of its own on the same connection.
      const keyspace = createKeyspace({ keyPrefix: uniqueName(), partitions: 1 });
      const world = createWorld({
        redis: shared.redis,
        keyspace,
        scripts: createScripts({ redis: shared.redis, keyspace }, { timeoutMs: 5000 }),
      });
      await world.open();
      const interleaving = new Interleaving(world, sessionCount, outcomes);
      for (const each of interleaved) {
        await interleaving.perform(each);
        await interleaving.check();
      }
      await interleaving.drain();
    }),
    { numRuns: RUNS, examples: certain.map((example): [number, Step[]] => [1, example]) },
  );
  expect([...outcomes].sort()).toEqual([
    'park: gone',
    'park: parked',
    'park: superseded',
    'reissue: reissued',
    'reissue: superseded',
    'settle of a zombie: clean',
    'settle of a zombie: dirty',
    'settle: clean',
    'settle: dirty',
    'sweep: announced',
    'sweep: parked',
    'sweep: waiting',
  ]);
}, 180_000);
