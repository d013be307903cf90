// What a fault is, and whom it may hit.
import type { RedisRestart } from '@cauce/history';
import type { Random } from '../random.ts';
import type { World } from '../world.ts';

/** How many processes there are of each kind. */
export interface FleetSizes {
  readonly bots: { readonly size: number };
  readonly consumers: { readonly size: number };
}

export interface FaultContext {
  readonly world: World;
  readonly random: Random;
  readonly target: string;
}

/** What the checker needs to know. */
export interface FaultEvidence {
  readonly redisRestart?: RedisRestart | readonly RedisRestart[];
}

export interface Fault {
  readonly name: string;
  /** How many times in a round of the deck. */
  readonly weight: number;
  /** At most one fault at a time hits the same one. */
  readonly target: (random: Random, fleets: FleetSizes) => string;
  /** Breaks it, and has healed it when its promise resolves. */
  readonly strike: (context: FaultContext) => Promise<void> | Promise<FaultEvidence>;
}

/** A fault that came. */
export interface StruckFault extends FaultEvidence {
  /** Since the run began. */
  readonly seconds: number;
  readonly name: string;
  readonly target: string;
}

export const onRedis = () => 'redis';
