import { openBareSet } from '../contenders/bare-redis.mjs';
import { openBulkFloor } from '../contenders/bulk-floor.mjs';
import { openCauce } from '../contenders/cauce.mjs';
import { runAll } from '../measure/closed-loop.mjs';
import { spreadOf } from '../measure/figure.mjs';
import { startChild } from '../processes/child.mjs';
import { onDemandConsumer } from '../processes/consumer-settings.mjs';
import { openFill, range } from '../workload/fill.mjs';
import { createRandom } from '../workload/random.mjs';
import { insertRows } from '../workload/rows.mjs';
import { createStates } from '../workload/states.mjs';

/** So many sessions are saved and synced at a time, however many there are. */
const TOUCHED = 1000;
const CONCURRENCY = 64;
const GOAL = { atMost: 1.2 };

/** What grows, and the names it has in the results. What is bare shows how much of it is the servers' own. */
const measured = {
  save: { quantity: 'cost of a save', series: 'a save', unit: 'SETs', goal: GOAL },
  set: { quantity: 'cost of a bare SET', series: 'a bare SET', unit: 'SETs' },
  row: { quantity: 'cost of a synced row', series: 'a synced row', unit: 'bare upserts', goal: GOAL },
  upsert: { quantity: 'cost of a bare upsert', series: 'a bare upsert', unit: 'bare upserts' },
};

/**
 * What a save and a synced row cost while sessions grow, and a bare SET and a bare upsert among as many. Each is divided
 * by a piece of work that does not grow, done next to it: a SET among 1,000 keys, an upsert of 1,000 rows into a table
 * of 1,000.
 */
export async function measureGrowth(servers, { sizes, rounds, savesEachRound, stateBytes }) {
  await servers.reset();
  const states = createStates(stateBytes);
  const consumer = await startChild('consumer.mjs', onDemandConsumer(servers));
  const parts = {
    consumer,
    states,
    fill: await openFill(servers),
    bot: await openCauce(servers),
    set: await openBareSet(servers),
    fixedSet: await openBareSet(servers, { prefix: 'fixed' }),
    floor: await openBulkFloor(servers, { schema: 'floor_growing' }),
    fixedFloor: await openBulkFloor(servers),
  };
  const results = [];
  try {
    for (const [i, sessions] of sizes.entries()) {
      const before = sizes[i - 1] ?? 0;
      for (const table of ['session', 'floor_growing.session']) {
        await servers.pool.query(`TRUNCATE ${table}`);
        await insertRows(servers.pool, { table, rows: sessions, states });
      }
      await parts.fill.saveClean(range(before, sessions), states);
      const setNext = (n) => parts.set.save(before + n, states[n % states.length]);
      await runAll(setNext, { count: sessions - before, concurrency: CONCURRENCY });
      results.push({ sessions, ...(await measureSize(parts, { sessions, rounds, savesEachRound })) });
    }
  } finally {
    const { consumer: _, states: __, ...opened } = parts;
    await Promise.all([consumer.stop(), ...Object.values(opened).map((part) => part.close())]);
  }
  return { figures: toFigures(results, stateBytes), plots: [plotGrowth(results, stateBytes)] };
}

/** Costs relative to the fixed work beside them, one of each round. */
async function measureSize(parts, { sessions, rounds, savesEachRound }) {
  const { consumer, states, bot, set, fixedSet, floor, fixedFloor } = parts;
  const random = createRandom(sessions);
  const costs = { save: [], set: [], row: [], upsert: [] };
  for (let round = -1; round < rounds; round++) {
    // No session twice, so that every pass syncs as many rows.
    const touched = Array.from({ length: TOUCHED }, (_, i) =>
      Math.floor(((i + random()) * sessions) / TOUCHED),
    );
    const perSecond = (contender, users) =>
      runAll((i) => contender.save(users(i % TOUCHED), states[i % states.length]), {
        count: savesEachRound,
        concurrency: CONCURRENCY,
      });
    const saving = await perSecond(bot, (i) => touched[i]);
    const setting = await perSecond(set, (i) => touched[i]);
    const fixedSetting = await perSecond(fixedSet, (i) => i);
    const syncMs = await timeMs(async () => {
      const { written } = await consumer.ask('sync');
      return written;
    });
    const upsertMs = (into, users) => {
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
  return Object.fromEntries(Object.entries(costs).map(([name, values]) => [name, spreadOf(values)]));
}

/** Milliseconds for each of the things `work` says it did. */
async function timeMs(work) {
  const startedMs = performance.now();
  const count = await work();
  return (performance.now() - startedMs) / count;
}

const relativeTo = (base, spread) => ({
  median: spread.median / base.median,
  low: spread.low / base.median,
  high: spread.high / base.median,
  rounds: spread.rounds,
});

function toFigures(results, stateBytes) {
  const [first] = results;
  return results.slice(1).flatMap(({ sessions, ...costs }) =>
    Object.entries(measured).map(([name, { quantity, unit, goal }]) => ({
      what: `sessions of ${stateBytes} B`,
      quantity,
      subject: `${sessions} sessions`,
      reference: `${first.sessions} sessions`,
      ratio: relativeTo(first[name], costs[name]),
      measured: { unit, subject: costs[name].median, reference: first[name].median },
      ...(goal ? { goal } : {}),
    })),
  );
}

function plotGrowth(results, stateBytes) {
  const [first] = results;
  return {
    name: 'growth',
    title: `Cost while sessions grow, ${stateBytes} B each`,
    x: { label: 'sessions', isLog: true },
    y: { label: `times the cost at ${first.sessions} sessions`, from: 0 },
    series: Object.entries(measured).map(([name, { series }]) => ({
      name: series,
      points: results.map((result) => ({ x: result.sessions, ...relativeTo(first[name], result[name]) })),
    })),
  };
}
