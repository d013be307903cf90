// Breaks things according to plan, at most three at a time and never two at the same thing.
import { setTimeout as delay } from 'node:timers/promises';
import type { Deck } from './decks.ts';
import type { StruckFault } from './faults/fault.ts';
import { nowUs } from './history.ts';
import { planStrokes, type Stroke } from './plan.ts';
import { seededRandom } from './random.ts';
import type { World } from './world.ts';

const MOST_AT_ONCE = 3;

export interface RageOptions {
  readonly seed: number;
  readonly deck: Deck;
  readonly startedUs: number;
  /** Asked before each fault. */
  readonly isOver: (log: readonly StruckFault[]) => boolean;
  /** Called when a fault strikes. */
  readonly onFault: (fault: StruckFault) => void;
}

/** Returns the log of faults, when all is healed. */
export async function rage(world: World, options: RageOptions): Promise<readonly StruckFault[]> {
  const { seed, deck, startedUs, isOver, onFault } = options;
  const log: StruckFault[] = [];
  const active = new Map<string, Promise<void>>();
  const failures: Error[] = [];

  const strike = async ({ fault, target, seed: ownSeed }: Stroke) => {
    const entry: StruckFault = { seconds: (nowUs() - startedUs) / 1e6, name: fault.name, target };
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
  const [failure] = failures;
  if (failure) throw failure;
  return log;
}
