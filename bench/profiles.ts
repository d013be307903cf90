import type { Profile } from './suites/index.ts';
import type { Distribution } from './workload/users.ts';

/**
 * How much each suite does. `full` is what is committed; `quick` gives an impression; `smoke` only shows that
 * everything runs.
 */
const saveCases = (
  sizes: readonly number[],
  distributions: readonly Distribution[],
  concurrencies: readonly number[],
) =>
  sizes.flatMap((stateBytes) =>
    distributions.flatMap((distribution) =>
      concurrencies.map((concurrency) => ({ stateBytes, distribution, concurrency })),
    ),
  );

const trafficCases = (
  intervalMs: number,
  perSecond: number,
  ...populations: readonly (readonly [users: number, distribution: Distribution])[]
) => populations.map(([users, distribution]) => ({ users, distribution, intervalMs, perSecond }));

export type ProfileName = 'full' | 'quick' | 'smoke';

export const profiles: Readonly<Record<ProfileName, Profile>> = {
  full: {
    save: {
      cases: [
        // The one with the goals. What the contender before left to PostgreSQL and to the disk goes on for a while.
        { stateBytes: 1024, distribution: 'uniform', concurrency: 64, rounds: 9, windowMs: 1000 },
        ...saveCases([1024], ['uniform'], [1, 16]),
        ...saveCases([1024], ['zipf', 'new'], [1, 16, 64]),
        ...saveCases([200, 10_240], ['uniform'], [1, 16, 64]),
      ],
      ...{ rounds: 5, windowMs: 500, warmUpMs: 2000, users: 10_000 },
    },
    pipeline: {
      rounds: 5,
      windowMs: 2000,
      concurrency: 64,
      intervalMs: 1000,
      stateBytes: 1024,
      users: 10_000,
    },
    load: { rounds: 5, loads: 4000, concurrency: 64, stateBytes: 1024 },
    sync: { rounds: 4, rows: 10_000, jobs: 2000, stateBytes: 1024, consumerCounts: [1, 2, 4] },
    traffic: {
      cases: [
        ...trafficCases(60_000, 500, [10_000, 'uniform'], [10_000, 'zipf'], [1000, 'zipf']),
        ...trafficCases(60_000, 2000, [10_000, 'uniform'], [10_000, 'zipf']),
        ...trafficCases(1000, 500, [10_000, 'uniform'], [1000, 'zipf']),
      ],
      ...{ atLeastMs: 30_000, stateBytes: 1024, directSaves: 3000 },
    },
    memory: { sessions: 10_000, stateSizes: [200, 1024, 10_240] },
    outageMemory: { sessions: 5000, savesEach: [1, 2, 5, 10, 20], stateBytes: 1024 },
    growth: {
      sizes: [1000, 10_000, 100_000, 1_000_000],
      ...{ rounds: 5, savesEachRound: 4000, stateBytes: 200 },
    },
    backlogLatency: {
      ...{ rounds: 2, backlog: 200_000, perSecond: 500, restMs: 8000 },
      ...{ stateBytes: 200, users: 10_000 },
    },
    consumerCpu: {
      ...{ rounds: 3, perSecond: 500, windowMs: 6000, intervalMs: 1000 },
      ...{ stateBytes: 1024, users: 10_000 },
    },
    endToEnd: { rounds: 3, rates: [1000, 5000], windowMs: 5000, intervalMs: 1000, stateBytes: 1024 },
  },
  quick: {
    save: {
      cases: saveCases([1024], ['uniform'], [1, 16, 64]),
      ...{ rounds: 3, windowMs: 300, warmUpMs: 1000, users: 10_000 },
    },
    pipeline: {
      rounds: 1,
      windowMs: 1000,
      concurrency: 64,
      intervalMs: 1000,
      stateBytes: 1024,
      users: 10_000,
    },
    load: { rounds: 3, loads: 1000, concurrency: 64, stateBytes: 1024 },
    sync: { rounds: 2, rows: 3000, jobs: 400, stateBytes: 1024, consumerCounts: [1, 2] },
    traffic: {
      cases: trafficCases(60_000, 25, [10_000, 'uniform'], [1000, 'zipf']),
      ...{ atLeastMs: 60_000, stateBytes: 1024, directSaves: 200 },
    },
    memory: { sessions: 2000, stateSizes: [1024] },
    outageMemory: { sessions: 1000, savesEach: [1, 5, 20], stateBytes: 1024 },
    growth: { sizes: [1000, 10_000, 30_000], rounds: 3, savesEachRound: 1000, stateBytes: 200 },
    backlogLatency: {
      ...{ rounds: 1, backlog: 20_000, perSecond: 500, restMs: 1000 },
      ...{ stateBytes: 200, users: 10_000 },
    },
    consumerCpu: {
      ...{ rounds: 1, perSecond: 500, windowMs: 2000, intervalMs: 1000 },
      ...{ stateBytes: 1024, users: 10_000 },
    },
    endToEnd: { rounds: 1, rates: [1000, 5000], windowMs: 1500, intervalMs: 1000, stateBytes: 1024 },
  },
  smoke: {
    save: { cases: saveCases([200], ['new'], [4]), rounds: 1, windowMs: 30, warmUpMs: 30, users: 100 },
    pipeline: { rounds: 1, windowMs: 100, concurrency: 4, intervalMs: 50, stateBytes: 200, users: 100 },
    load: { rounds: 1, loads: 50, concurrency: 4, stateBytes: 200 },
    sync: { rounds: 1, rows: 100, jobs: 50, stateBytes: 200, consumerCounts: [1, 2] },
    traffic: {
      cases: trafficCases(1000, 100, [50, 'zipf']),
      ...{ atLeastMs: 1000, stateBytes: 200, directSaves: 20 },
    },
    memory: { sessions: 100, stateSizes: [200] },
    outageMemory: { sessions: 50, savesEach: [1, 3], stateBytes: 200 },
    growth: { sizes: [100, 200], rounds: 1, savesEachRound: 100, stateBytes: 200 },
    backlogLatency: {
      ...{ rounds: 1, backlog: 200, perSecond: 100, restMs: 200 },
      ...{ stateBytes: 200, users: 100 },
    },
    consumerCpu: {
      ...{ rounds: 1, perSecond: 100, windowMs: 200, intervalMs: 50 },
      ...{ stateBytes: 200, users: 100 },
    },
    endToEnd: { rounds: 1, rates: [200], windowMs: 300, intervalMs: 100, stateBytes: 200 },
  },
};
