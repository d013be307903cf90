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

/** So many sessions are saved and carried at a time, however many there are. */
const TOUCHED = 1000;
const CONCURRENCY = 64;
const GOAL = { atMost: 1.2 };

/**
 * What a save and a synced row cost while sessions grow. Each is divided by a piece of work that does not grow, done
 * next to it: a SET among 1,000 keys, an upsert of 1,000 rows into a table of 1,000.
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
    floor: await openBulkFloor(servers),
  };
  const results = [];
  try {
    for (const [i, sessions] of sizes.entries()) {
      const before = sizes[i - 1] ?? 0;
      await servers.pool.query('TRUNCATE session');
      await insertRows(servers.pool, { table: 'session', rows: sessions, states });
      await parts.fill.saveClean(range(before, sessions), states);
      results.push({ sessions, ...(await measureSize(parts, { sessions, rounds, savesEachRound })) });
    }
  } finally {
    await Promise.all([
      consumer.stop(),
      ...['fill', 'bot', 'set', 'floor'].map((part) => parts[part].close()),
    ]);
  }
  return { figures: toFigures(results, stateBytes), plots: [plotGrowth(results, stateBytes)] };
}

/** Costs relative to the fixed work beside them, one of each round. */
async function measureSize({ consumer, states, bot, set, floor }, { sessions, rounds, savesEachRound }) {
  const random = createRandom(sessions);
  const saveCosts = [];
  const rowCosts = [];
  for (let round = -1; round < rounds; round++) {
    // No session twice, so that every pass carries as many rows.
    const touched = Array.from({ length: TOUCHED }, (_, i) =>
      Math.floor(((i + random()) * sessions) / TOUCHED),
    );
    const saveAt = (i) => bot.save(touched[i % TOUCHED], states[i % states.length]);
    const setAt = (i) => set.save(i % TOUCHED, states[i % states.length]);
    const saving = await runAll(saveAt, { count: savesEachRound, concurrency: CONCURRENCY });
    const setting = await runAll(setAt, { count: savesEachRound, concurrency: CONCURRENCY });
    const rows = floor.toRows(range(0, TOUCHED), states);
    const carryMs = await timeMs(async () => {
      const { written } = await consumer.ask('carry');
      return written;
    });
    const upsertMs = await timeMs(async () => {
      await floor.upsert(rows);
      return TOUCHED;
    });
    if (round < 0) continue;
    saveCosts.push(setting / saving);
    rowCosts.push(carryMs / upsertMs);
  }
  return { save: spreadOf(saveCosts), row: spreadOf(rowCosts) };
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
    Object.entries({ save: 'cost of a save', row: 'cost of a synced row' }).map(([name, quantity]) => ({
      what: `sessions of ${stateBytes} B`,
      quantity,
      subject: `${sessions} sessions`,
      reference: `${first.sessions} sessions`,
      ratio: relativeTo(first[name], costs[name]),
      measured: {
        unit: name === 'save' ? 'SETs' : 'bare upserts',
        subject: costs[name].median,
        reference: first[name].median,
      },
      goal: GOAL,
    })),
  );
}

function plotGrowth(results, stateBytes) {
  const [first] = results;
  const series = (name, title) => ({
    name: title,
    points: results.map((result) => ({ x: result.sessions, ...relativeTo(first[name], result[name]) })),
  });
  return {
    name: 'growth',
    title: `Cost while sessions grow, ${stateBytes} B each`,
    x: { label: 'sessions', isLog: true },
    y: { label: `times the cost at ${first.sessions} sessions`, from: 0 },
    series: [series('save', 'a save'), series('row', 'a synced row')],
  };
}
