// A run in which a rare event never happened proves nothing about it.

/** What must have happened at least once in a run of a minute, whatever Redis is. */
export const rareEvents = [
  'stale upsert rejected',
  'events taken over',
  'hydrate refused',
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

/** @param {Map<string, number>} seen @param {string[]} events */
export function missingEvents(seen, events) {
  return events.filter((event) => !seen.get(event));
}

/** Faults of the deck that never came. @param {import('./decks.mjs').Deck} deck @param {{ name: string }[]} log */
export function missingFaults({ cards }, log) {
  const names = cards.map(({ fault }) => fault.name);
  return names.filter((name) => !log.some((entry) => entry.name === name));
}
