// How often which fault comes.
import type { Fault } from './faults/fault.ts';
import { type Topology, topologies } from './topologies.ts';

export interface Deck {
  /** Weight: how many times in a round. */
  readonly cards: readonly { readonly fault: Fault; readonly weight: number }[];
  /** Between two faults. */
  readonly minPauseMs: number;
  readonly maxPauseMs: number;
}

interface DeckOptions {
  /** Also with faults after which Redis itself has lost something. */
  readonly isLossy: boolean;
  readonly topology?: Topology;
}

type Named = Pick<Fault, 'name'>;

/** The processes a soak kills, as the faults name them. */
export const killed = ['consumer', 'bot', 'Redis', 'PostgreSQL'] as const;
export type KilledProcess = (typeof killed)[number];
const KILLS_IN_A_ROUND = 30;

/** Everything that can happen there. */
export function mixedDeck({ isLossy, topology = topologies.single }: DeckOptions): Deck {
  const all = [...topology.faults, ...(isLossy ? topology.lossyFaults : [])];
  return { cards: all.map((fault) => ({ fault, weight: fault.weight })), minPauseMs: 100, maxPauseMs: 700 };
}

/** SIGKILLs above all, and each of the others once in a round. */
export function soakDeck({ isLossy }: Pick<DeckOptions, 'isLossy'>): Deck {
  const { cards } = mixedDeck({ isLossy });
  const weightOf = (fault: Named) => (killed.some((name) => isKillOf(name, fault)) ? KILLS_IN_A_ROUND : 1);
  return {
    cards: cards.map(({ fault }) => ({ fault, weight: weightOf(fault) })),
    minPauseMs: 20,
    maxPauseMs: 200,
  };
}

/** How often the process killed least often was killed. */
export function fewestKills(log: readonly Named[]): number {
  return Math.min(...killed.map((name) => countKills(name, log)));
}

export function countKills(name: KilledProcess, log: readonly Named[]): number {
  return log.filter((entry) => isKillOf(name, entry)).length;
}

function isKillOf(process: KilledProcess, { name }: Named): boolean {
  return name === `${process} SIGKILL`;
}
