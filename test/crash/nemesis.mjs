// Breaks things according to plan, at most three at a time and never two at the same thing.
import { setTimeout as delay } from 'node:timers/promises';
import { nowUs } from './history.mjs';
import { planStrokes } from './plan.mjs';
import { seededRandom } from './random.mjs';

const MOST_AT_ONCE = 3;

/**
 * @param {object} world
 * @param {object} options
 * @param {number} options.seed
 * @param {import('./decks.mjs').Deck} options.deck
 * @param {number} options.startedUs
 * @param {(log: object[]) => boolean} options.isOver asked before each fault
 * @param {(entry: object) => void} options.onFault told of each fault when it strikes
 * @returns the fault log, when all is healed
 */
export async function rage(world, { seed, deck, startedUs, isOver, onFault }) {
  const log = [];
  const active = new Map();
  const failures = [];

  const strike = async ({ fault, target, seed: ownSeed }) => {
    const entry = { seconds: (nowUs() - startedUs) / 1e6, name: fault.name, target };
    log.push(entry);
    onFault(entry);
    try {
      const random = seededRandom(ownSeed);
      Object.assign(entry, (await fault.strike({ world, random, target })) ?? {});
    } catch (error) {
      failures.push(new Error(`The fault "${fault.name}" of ${target} could not be done.`, { cause: error }));
    }
    active.delete(target);
  };

  await delay(500);
  for (const stroke of planStrokes({ seed, deck, fleets: world })) {
    if (isOver(log) || failures.length > 0) break;
    while (active.has(stroke.target) || active.size >= MOST_AT_ONCE) await Promise.race(active.values());
    active.set(stroke.target, strike(stroke));
    await delay(stroke.pauseMs);
  }
  await Promise.all(active.values());
  if (failures.length > 0) throw failures[0];
  return log;
}
