// A run in which a rare event never happened proves nothing about it.

import type { Deck } from './decks.ts';

/** What must have happened at least once in a run of a minute, whatever Redis is. */
export const rareEvents = [
  'stale upsert rejected',
  'events taken over',
  'restore refused',
  'sessions restored',
  'sweeper announced again',
  'op id replayed',
  'compare-and-set lost',
  'session created',
  'PostgreSQL away',
  'consumer group missing',
  'clean sessions evicted',
  'save committed through',
];

export function missingEvents(seen: ReadonlyMap<string, number>, events: readonly string[]): string[] {
  return events.filter((event) => !seen.get(event));
}

/** Faults of the deck that never came. */
export function missingFaults({ cards }: Deck, log: readonly { readonly name: string }[]): string[] {
  const names = cards.map(({ fault }) => fault.name);
  return names.filter((name) => !log.some((entry) => entry.name === name));
}
