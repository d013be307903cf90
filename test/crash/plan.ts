// Which faults come, in which order, against whom and how soon after each other. Pure: a seed is a plan.
import type { Deck } from './decks.ts';
import type { Fault, FleetSizes } from './faults/fault.ts';
import { between, seededRandom, shuffled } from './random.ts';

export interface Stroke {
  readonly fault: Fault;
  readonly target: string;
  /** Of what the fault itself draws, so that it does not depend on how long another one took. */
  readonly seed: number;
  /** Until the next one. */
  readonly pauseMs: number;
}

export interface PlanOptions {
  readonly seed: number;
  readonly deck: Deck;
  readonly fleets: FleetSizes;
}

/**
 * A deck of all faults, dealt again and again. Each round begins with one of every kind, so that a short run has
 * seen them all.
 */
export function* planStrokes({ seed, deck, fleets }: PlanOptions): Generator<Stroke, never> {
  const random = seededRandom(seed);
  for (;;) {
    const once = deck.cards.map(({ fault }) => fault);
    const again = deck.cards.flatMap(({ fault, weight }) => Array<Fault>(weight - 1).fill(fault));
    for (const fault of [...shuffled(random, once), ...shuffled(random, again)]) {
      yield {
        fault,
        target: fault.target(random, fleets),
        seed: between(random, 0, 2 ** 31),
        pauseMs: between(random, deck.minPauseMs, deck.maxPauseMs),
      };
    }
  }
}
