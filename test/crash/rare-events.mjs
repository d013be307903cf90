// A run in which a rare event never happened proves nothing about it.

/** What must have happened at least once in a run of a minute. */
export const rareEvents = [
  'stale upsert rejected',
  'events taken over',
  'hydrate refused',
  'sessions restored',
  'sweeper announced again',
  'op id replayed',
  'compare-and-set lost',
  'refused when full',
  'drained while full',
  'PostgreSQL away',
  'half-open connection given up',
  'consumer group missing',
  'clean sessions evicted',
];

/** @param {Map<string, number>} seen */
export function missingEvents(seen) {
  return rareEvents.filter((event) => !seen.get(event));
}
