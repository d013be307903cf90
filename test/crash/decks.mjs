// How often which fault comes.
import { topologies } from './topologies.mjs';

/**
 * @typedef {object} Deck
 * @property {{ fault: import('./faults/fault.mjs').Fault, weight: number }[]} cards weight: how many times in a round
 * @property {number} minPauseMs between two faults
 * @property {number} maxPauseMs
 */

/** The processes a soak kills, as the faults name them. */
export const killed = ['consumer', 'bot', 'Redis', 'PostgreSQL'];
const KILLS_IN_A_ROUND = 30;

/** Everything that can happen there. @returns {Deck} */
export function mixedDeck({ isLossy, topology = topologies.single }) {
  const all = [...topology.faults, ...(isLossy ? topology.lossyFaults : [])];
  return { cards: all.map((fault) => ({ fault, weight: fault.weight })), minPauseMs: 100, maxPauseMs: 700 };
}

/** SIGKILLs above all, and each of the others once in a round. @returns {Deck} */
export function soakDeck({ isLossy }) {
  const { cards } = mixedDeck({ isLossy });
  const weightOf = (fault) => (killed.some((name) => isKillOf(name, fault)) ? KILLS_IN_A_ROUND : 1);
  return {
    cards: cards.map(({ fault }) => ({ fault, weight: weightOf(fault) })),
    minPauseMs: 20,
    maxPauseMs: 200,
  };
}

/** How often the process killed least often was killed. @param {{ name: string }[]} log */
export function fewestKills(log) {
  return Math.min(...killed.map((name) => countKills(name, log)));
}

export function countKills(name, log) {
  return log.filter((entry) => isKillOf(name, entry)).length;
}

function isKillOf(process, { name }) {
  return name === `${process} SIGKILL`;
}
