// Breaks things for as long as the run lasts: a shuffled deck of all faults, dealt again and again, at most three at
// a time and never two at the same thing.
import { setTimeout as delay } from 'node:timers/promises';
import { faults } from './faults.mjs';
import { nowUs } from './history.mjs';
import { between, seededRandom, shuffled } from './random.mjs';

const MOST_AT_ONCE = 3;

/** Resolves when time is up and everything is healed. Returns the fault log. */
export async function rage(world, { seed, seconds, startedUs, onFault }) {
  const random = seededRandom(seed);
  const log = [];
  const active = new Map();
  const failures = [];
  const endsAtMs = Date.now() + seconds * 1000;
  let deck = [];

  const strike = async (fault, target, fork) => {
    const entry = { seconds: (nowUs() - startedUs) / 1e6, name: fault.name, target };
    log.push(entry);
    onFault(entry);
    try {
      Object.assign(entry, (await fault.strike({ world, random: fork, target })) ?? {});
    } catch (error) {
      failures.push(new Error(`The fault "${fault.name}" of ${target} could not be done.`, { cause: error }));
    }
    active.delete(target);
  };

  await delay(500);
  while (Date.now() < endsAtMs && failures.length === 0) {
    if (deck.length === 0)
      deck = shuffled(
        random,
        faults.flatMap((fault) => Array(fault.weight).fill(fault)),
      );
    const fault = deck.pop();
    const target = fault.target(random, world);
    // A generator of its own, so that what one fault draws does not depend on how long another one took.
    const fork = seededRandom(between(random, 0, 2 ** 31));
    while (active.has(target) || active.size >= MOST_AT_ONCE) await Promise.race(active.values());
    active.set(target, strike(fault, target, fork));
    await delay(between(random, 100, 700));
  }
  await Promise.all(active.values());
  if (failures.length > 0) throw failures[0];
  return log;
}
