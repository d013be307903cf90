import { openBareMulti, openBareSet, openSessionStore } from '../contenders/bare-redis.mjs';
import { openBullmq } from '../contenders/bullmq.mjs';
import { CAUCE, openCauce } from '../contenders/cauce.mjs';
import { openDirectUpsert } from '../contenders/direct-upsert.mjs';
import { runClosedLoop } from '../measure/closed-loop.mjs';
import { readCpuUs } from '../measure/cpu.mjs';
import { pair, toFigure } from '../measure/figure.mjs';
import { interleave } from '../measure/interleave.mjs';
import { FAR_MS } from '../servers.mjs';
import { createStates } from '../workload/states.mjs';
import { createUserDraw } from '../workload/users.mjs';

const NEAR_UPSERT = 'direct upsert';
const FAR_UPSERT = `direct upsert, ${FAR_MS} ms away`;
const quantities = [
  { quantity: 'throughput', field: 'perSecond', unit: '1/s', better: 'higher' },
  { quantity: 'p50', field: 'p50Ms', unit: 'ms', better: 'lower' },
  { quantity: 'p99', field: 'p99Ms', unit: 'ms', better: 'lower' },
  { quantity: 'p99.9', field: 'p999Ms', unit: 'ms', better: 'lower' },
  // Undefined where the work is PostgreSQL's.
  { quantity: 'CPU of the client', field: 'clientUs', unit: 'µs', better: 'lower' },
  { quantity: 'CPU of Redis', field: 'redisUs', unit: 'µs', better: 'lower' },
];
/** For states of 1 KB, 64 at a time. */
const goals = {
  'SET throughput': { atLeast: 0.5 },
  'SET p99': { atLeast: 0.5 },
  'MULTI SET + XADD throughput': { atLeast: 1.3 },
  [`${FAR_UPSERT} p50`]: { atLeast: 50 },
  [`${FAR_UPSERT} p99`]: { atLeast: 50 },
  'BullMQ add throughput': { atLeast: 3 },
};

/** `saveUserState` against other ways to keep the same bytes. */
export async function measureSaves(servers, { cases, rounds, windowMs, users }) {
  const figures = [];
  for (const { stateBytes, distribution, concurrency, ...one } of cases) {
    await servers.reset();
    const results = await measureCase(servers, {
      stateBytes,
      distribution,
      concurrency,
      ...{ rounds, windowMs, users, ...one },
    });
    const what = `${stateBytes} B, ${distribution}, ${concurrency} at a time`;
    for (const [reference, measured] of results) {
      if (reference === CAUCE) continue;
      for (const { quantity, field, unit, better } of quantities) {
        const hasGoal = stateBytes === 1024 && concurrency === 64 && distribution === 'uniform';
        figures.push(
          toFigure({
            ...{ what, quantity, unit, subject: CAUCE, reference, better },
            values: pair(results.get(CAUCE), measured, field),
            goal: hasGoal ? goals[`${reference} ${quantity}`] : undefined,
          }),
        );
      }
    }
  }
  return { figures, plots: [plotThroughput(figures, cases[0])] };
}

async function measureCase(servers, { stateBytes, distribution, concurrency, rounds, windowMs, users }) {
  const contenders = await Promise.all([
    openCauce(servers),
    openBareSet(servers),
    openBareMulti(servers),
    openSessionStore(servers),
    openBullmq(servers),
    openDirectUpsert(servers.databaseUrl, { name: NEAR_UPSERT, connections: concurrency }),
    openDirectUpsert(servers.farDatabaseUrl, { name: FAR_UPSERT, connections: concurrency }),
  ]);
  const states = createStates(stateBytes);
  const draw = createUserDraw(distribution, users);
  let saves = 0;
  try {
    return await interleave(contenders, { rounds }, async ({ name, save, cleanUp }) => {
      const call = () => save(draw(), states[saves++ % states.length]);
      const before = await readCpuUs(servers.redis);
      const result = await runClosedLoop(call, { concurrency, durationMs: windowMs });
      const after = await readCpuUs(servers.redis);
      await cleanUp();
      if (name === NEAR_UPSERT || name === FAR_UPSERT) return result;
      const { count } = result;
      return {
        ...result,
        clientUs: (after.client - before.client) / count,
        redisUs: (after.redis - before.redis) / count,
      };
    });
  } finally {
    await Promise.all(contenders.map(({ close }) => close()));
  }
}

function plotThroughput(figures, { stateBytes, distribution }) {
  const points = figures.filter(
    (figure) =>
      figure?.quantity === 'throughput' && figure.what.startsWith(`${stateBytes} B, ${distribution},`),
  );
  const references = [...new Set(points.map(({ reference }) => reference))];
  return {
    name: 'save-throughput',
    title: `Throughput of saveUserState, ${stateBytes} B, as a multiple of …`,
    x: { label: 'saves at a time', isLog: true },
    y: { label: 'times the reference', isLog: true },
    series: references.map((reference) => ({
      name: reference,
      points: points
        .filter((figure) => figure.reference === reference)
        .map(({ what, ratio }) => ({ x: Number(/(\d+) at a time/.exec(what)[1]), ...ratio }))
        .sort((a, b) => a.x - b.x),
    })),
  };
}
