import { describe, expect, it } from 'vitest';
import { countKills, type Deck, fewestKills, killed, mixedDeck, soakDeck } from '../../crash/decks.ts';
import { planStrokes } from '../../crash/plan.ts';
import { missingEvents, missingFaults, rareEvents } from '../../crash/rare-events.ts';
import { type Topology, topologies } from '../../crash/topologies.ts';

const fleets = { bots: { size: 3 }, consumers: { size: 3 } };

function plan(seed: number, count: number, deck: Deck = mixedDeck({ isLossy: false })) {
  const strokes = planStrokes({ seed, deck, fleets });
  return Array.from({ length: count }, () => {
    const { fault, ...stroke } = strokes.next().value;
    return { name: fault.name, ...stroke };
  });
}

describe('the plan of a crash run', () => {
  it('is the same for the same seed, and another for another', () => {
    expect(plan(7, 300)).toEqual(plan(7, 300));
    expect(plan(8, 300)).not.toEqual(plan(7, 300));
  });

  it.each([1, 202, 99_999])('has had every fault after the first cards (seed %i)', (seed) => {
    const deck = mixedDeck({ isLossy: false });
    expect(missingFaults(deck, plan(seed, deck.cards.length))).toEqual([]);
    expect(missingFaults(deck, plan(seed, deck.cards.length - 1))).toHaveLength(1);
  });

  it('deals each fault as often as it weighs', () => {
    const { cards } = mixedDeck({ isLossy: false });
    const size = cards.reduce((sum, { weight }) => sum + weight, 0);
    const strokes = plan(3, 2 * size);
    for (const { fault, weight } of cards) {
      expect([fault.name, strokes.filter(({ name }) => name === fault.name).length]).toEqual([
        fault.name,
        2 * weight,
      ]);
    }
  });

  it('hits every member of a fleet, and none that does not exist', () => {
    const targets = new Set(plan(5, 500).map(({ target }) => target));
    const members = [...targets].filter((target) => /^(bots|consumers) \d/.test(target)).sort();
    expect(members).toEqual(['bots 0', 'bots 1', 'bots 2', 'consumers 0', 'consumers 1', 'consumers 2']);
  });

  it.each(['sentinel', 'cluster'] as const)(
    'has faults of its own with a %s, and none that needs a proxy',
    (name) => {
      const namesOf = (topology: Topology) =>
        mixedDeck({ isLossy: true, topology }).cards.map(({ fault }) => fault.name);
      const [here, single] = [namesOf(topologies[name]), namesOf(topologies.single)];
      expect(here.filter((fault) => !single.includes(fault))).toContain('planned failover');
      expect(here.filter((fault) => /redis$|of redis|^Redis/.test(fault))).toEqual([]);
      expect(new Set(here).size).toBe(here.length);
    },
  );

  it('lets Redis lose its tail only when it is asked to', () => {
    const names = (isLossy: boolean) => mixedDeck({ isLossy }).cards.map(({ fault }) => fault.name);
    expect(names(true).filter((name) => !names(false).includes(name))).toEqual(['Redis loses its tail']);
  });
});

describe('the deck of a soak', () => {
  it('kills all four processes equally often, and leaves nothing out', () => {
    const deck = soakDeck({ isLossy: false });
    const strokes = plan(
      1,
      deck.cards.reduce((sum, { weight }) => sum + weight, 0),
      deck,
    );
    const kills = killed.map((name) => countKills(name, strokes));
    expect(new Set(kills).size).toBe(1);
    expect(fewestKills(strokes)).toBe(kills[0]);
    expect((kills[0] ?? 0) * 4).toBeGreaterThan(strokes.length / 2);
    expect(missingFaults(deck, strokes)).toEqual([]);
  });
});

describe('the gate', () => {
  it('names what never happened', () => {
    const seen = new Map(rareEvents.map((event) => [event, 1]));
    expect(missingEvents(seen, rareEvents)).toEqual([]);
    seen.set('restore refused', 0);
    seen.delete('events taken over');
    expect(missingEvents(seen, rareEvents)).toEqual(['events taken over', 'restore refused']);
  });
});
