import { openBareSet } from '../contenders/bare-redis.ts';
import { type BulkFloor, openBulkFloor } from '../contenders/bulk-floor.ts';
import { openCauce } from '../contenders/cauce.ts';
import { runAll } from '../measure/closed-loop.ts';
import { type Figure, type Goal, type Spread, spreadOf } from '../measure/figure.ts';
import { type Child, type ConsumerAnswers, startConsumer } from '../processes/child.ts';
import { onDemandConsumer } from '../processes/consumer-settings.ts';
import type { Plot } from '../report/svg-plot.ts';
import type { Servers } from '../servers.ts';
import { openFill, range } from '../workload/fill.ts';
import { createRandom } from '../workload/random.ts';
import { insertRows } from '../workload/rows.ts';
import { createStates, type State, type States } from '../workload/states.ts';
import type { SuiteResult } from './suite.ts';

/** So many sessions are saved and synced at a time, however many there are. */
const TOUCHED = 1000;
const CONCURRENCY = 64;
const GOAL = { atMost: 1.2 };

const parts = ['save', 'set', 'row', 'upsert'] as const;
type Part = (typeof parts)[number];

/** By how many sessions there are. */
interface SizeCosts extends Readonly<Record<Part, Spread>> {
  readonly sessions: number;
}

/** What grows, and the names it has in the results. What is bare shows how much of it is the servers' own. */
const measured: Readonly<
  Record<
    Part,
    { readonly quantity: string; readonly series: string; readonly unit: string; readonly goal?: Goal }
  >
> = {
  save: { quantity: 'cost of a save', series: 'a save', unit: 'SETs', goal: GOAL },
  set: { quantity: 'cost of a bare SET', series: 'a bare SET', unit: 'SETs' },
  row: { quantity: 'cost of a synced row', series: 'a synced row', unit: 'bare upserts', goal: GOAL },
  upsert: { quantity: 'cost of a bare upsert', series: 'a bare upsert', unit: 'bare upserts' },
};

export interface GrowthProfile {
  readonly sizes: readonly number[];
  readonly rounds: number;
  readonly savesEachRound: number;
  readonly stateBytes: number;
}

/**
 * What a save and a synced row cost while sessions grow, and a bare SET and a bare upsert among as many. Each is divided
 * by a piece of work that does not grow, done next to it: a SET among 1,000 keys, an upsert of 1,000 rows into a table
 * of 1,000.
 */
export async function measureGrowth(
  servers: Servers,
  { sizes, rounds, savesEachRound, stateBytes }: GrowthProfile,
): Promise<SuiteResult> {
  await servers.reset();
  const states = createStates(stateBytes);
  const consumer = await startConsumer(onDemandConsumer(servers));
  const world = {
    consumer,
    states,
    fill: await openFill(servers),
    bot: await openCauce(servers),
    set: await openBareSet(servers),
    fixedSet: await openBareSet(servers, { prefix: 'fixed' }),
    floor: await openBulkFloor(servers, { schema: 'floor_growing' }),
    fixedFloor: await openBulkFloor(servers),
  };
  const results: SizeCosts[] = [];
  try {
    for (const [i, sessions] of sizes.entries()) {
      const before = sizes[i - 1] ?? 0;
      for (const table of ['session', 'floor_growing.session']) {
        await servers.pool.query(`TRUNCATE ${table}`);
        await insertRows(servers.pool, { table, rows: sessions, states });
      }
      await world.fill.saveClean(range(before, sessions), states);
      const setNext = (n: number) => world.set.save(before + n, states.nth(n));
      await runAll(setNext, { count: sessions - before, concurrency: CONCURRENCY });
      results.push({ sessions, ...(await measureSize(world, { sessions, rounds, savesEachRound })) });
    }
  } finally {
    const { consumer: _, states: __, ...opened } = world;
    await Promise.all([consumer.stop(), ...Object.values(opened).map((part) => part.close())]);
  }
  return { figures: toFigures(results, stateBytes), plots: [plotGrowth(results, stateBytes)] };
}

interface SaverOfStates {
  save(user: number, state: State): Promise<unknown>;
}

interface GrowthWorld {
  readonly consumer: Child<ConsumerAnswers>;
  readonly states: States;
  readonly bot: SaverOfStates;
  readonly set: SaverOfStates;
  readonly fixedSet: SaverOfStates;
  readonly floor: BulkFloor;
  readonly fixedFloor: BulkFloor;
}

/** Costs relative to the fixed work beside them, one of each round. */
async function measureSize(
  world: GrowthWorld,
  {
    sessions,
    rounds,
    savesEachRound,
  }: Pick<GrowthProfile, 'rounds' | 'savesEachRound'> & Pick<SizeCosts, 'sessions'>,
): Promise<Readonly<Record<Part, Spread>>> {
  const { consumer, states, bot, set, fixedSet, floor, fixedFloor } = world;
  const random = createRandom(sessions);
  const costs: Record<Part, number[]> = { save: [], set: [], row: [], upsert: [] };
  for (let round = -1; round < rounds; round++) {
    // No session twice, so that every pass syncs as many rows.
    const touched = Array.from({ length: TOUCHED }, (_, i) =>
      Math.floor(((i + random()) * sessions) / TOUCHED),
    );
    const perSecond = (contender: SaverOfStates, users: (i: number) => number) =>
      runAll((i) => contender.save(users(i % TOUCHED), states.nth(i)), {
        count: savesEachRound,
        concurrency: CONCURRENCY,
      });
    const saving = await perSecond(bot, (i) => touched[i] ?? 0);
    const setting = await perSecond(set, (i) => touched[i] ?? 0);
    const fixedSetting = await perSecond(fixedSet, (i) => i);
    const syncMs = await timeMs(async () => {
      const { written } = await consumer.ask('sync');
      return written;
    });
    const upsertMs = (into: BulkFloor, users: Iterable<number>) => {
      const rows = into.toRows(users, states);
      return timeMs(async () => {
        await into.upsert(rows);
        return rows.length;
      });
    };
    const upserting = await upsertMs(floor, new Set(touched));
    const fixedUpserting = await upsertMs(fixedFloor, range(0, TOUCHED));
    if (round < 0) continue;
    costs.save.push(fixedSetting / saving);
    costs.set.push(fixedSetting / setting);
    costs.row.push(syncMs / fixedUpserting);
    costs.upsert.push(upserting / fixedUpserting);
  }
  return {
    ...{ save: spreadOf(costs.save), set: spreadOf(costs.set) },
    ...{ row: spreadOf(costs.row), upsert: spreadOf(costs.upsert) },
  };
}

/** Milliseconds for each of the things `work` says it did. */
async function timeMs(work: () => Promise<number>): Promise<number> {
  const startedMs = performance.now();
  const count = await work();
  return (performance.now() - startedMs) / count;
}

const relativeTo = (base: Spread, spread: Spread): Spread => ({
  median: spread.median / base.median,
  low: spread.low / base.median,
  high: spread.high / base.median,
  rounds: spread.rounds,
});

function toFigures(results: readonly SizeCosts[], stateBytes: number): Figure[] {
  const [first, ...others] = results;
  if (!first) return [];
  const figureOf = (costs: SizeCosts, name: Part): Figure => {
    const { quantity, unit, goal } = measured[name];
    return {
      what: `sessions of ${stateBytes} B`,
      quantity,
      subject: `${costs.sessions} sessions`,
      reference: `${first.sessions} sessions`,
      ratio: relativeTo(first[name], costs[name]),
      measured: { unit, subject: costs[name].median, reference: first[name].median },
      ...(goal ? { goal } : {}),
    };
  };
  return others.flatMap((costs) => parts.map((name) => figureOf(costs, name)));
}

function plotGrowth(results: readonly SizeCosts[], stateBytes: number): Plot {
  const [first] = results;
  return {
    name: 'growth',
    title: `Cost while sessions grow, ${stateBytes} B each`,
    x: { label: 'sessions', isLog: true },
    y: { label: `times the cost at ${first?.sessions} sessions`, from: 0 },
    series: parts.map((name) => ({
      name: measured[name].series,
      points: results.map((result) => ({
        x: result.sessions,
        ...relativeTo((first ?? result)[name], result[name]),
      })),
    })),
  };
}
