// Which faults come, in which order, against whom and how soon after each other. Pure: a seed is a plan.
import { between, seededRandom, shuffled } from './random.mjs';

/**
 * @typedef {object} Stroke
 * @property {import('./faults/fault.mjs').Fault} fault
 * @property {string} target
 * @property {number} seed of what the fault itself draws, so that it does not depend on how long another one took
 * @property {number} pauseMs until the next one
 */

/**
 * A deck of all faults, dealt again and again. Each round begins with one of every kind, so that a short run has
 * seen them all.
 *
 * @param {object} options
 * @param {number} options.seed
 * @param {import('./decks.mjs').Deck} options.deck
 * @param {{ bots: { size: number }, consumers: { size: number } }} options.fleets
 * @returns {Generator<Stroke, never>}
 */
export function* planStrokes({ seed, deck, fleets }) {
  const random = seededRandom(seed);
  for (;;) {
    const once = deck.cards.map(({ fault }) => fault);
    const again = deck.cards.flatMap(({ fault, weight }) => Array(weight - 1).fill(fault));
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
