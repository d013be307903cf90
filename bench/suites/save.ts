import { openBareMulti, openBareSet, openSessionStore } from '../contenders/bare-redis.ts';
import { openBullmq } from '../contenders/bullmq.ts';
import { CAUCE, openCauce } from '../contenders/cauce.ts';
import type { Contender } from '../contenders/contender.ts';
import { openDirectUpsert } from '../contenders/direct-upsert.ts';
import { type LoopResult, runClosedLoop } from '../measure/closed-loop.ts';
import { readCpuUs } from '../measure/cpu.ts';
import { type Figure, type Goal, pair, type Quantity, toFigure } from '../measure/figure.ts';
import { interleave, type Results, resultsOf } from '../measure/interleave.ts';
import type { Plot } from '../report/svg-plot.ts';
import { FAR_MS, type Servers } from '../servers.ts';
import { createStates } from '../workload/states.ts';
import { createUserDraw, type Distribution } from '../workload/users.ts';
import type { SuiteResult } from './suite.ts';

export interface SaveCase {
  readonly stateBytes: number;
  readonly distribution: Distribution;
  /** Saves at a time. */
  readonly concurrency: number;
  /** Default: the profile's. */
  readonly rounds?: number;
  readonly windowMs?: number;
}

export interface SaveProfile {
  readonly cases: readonly SaveCase[];
  readonly rounds: number;
  readonly windowMs: number;
  /** Of each contender, once for each number of saves at a time. */
  readonly warmUpMs: number;
  readonly users: number;
}

interface SaveResult extends LoopResult {
  readonly clientUs?: number;
  readonly redisUs?: number;
}

const NEAR_UPSERT = 'direct upsert';
const FAR_UPSERT = `direct upsert, ${FAR_MS} ms away`;
const quantities: readonly Quantity<keyof SaveResult>[] = [
  { quantity: 'throughput', field: 'perSecond', unit: '1/s', better: 'higher' },
  { quantity: 'p50', field: 'p50Ms', unit: 'ms', better: 'lower' },
  { quantity: 'p99', field: 'p99Ms', unit: 'ms', better: 'lower' },
  { quantity: 'p99.9', field: 'p999Ms', unit: 'ms', better: 'lower' },
  // Undefined where the work is PostgreSQL's.
  { quantity: 'CPU of the client', field: 'clientUs', unit: 'µs', better: 'lower' },
  { quantity: 'CPU of Redis', field: 'redisUs', unit: 'µs', better: 'lower' },
];
/** For states of 1 KB, 64 at a time. */
const goals: Readonly<Record<string, Goal>> = {
  'SET throughput': { atLeast: 0.5 },
  'SET p99': { atLeast: 0.5 },
  'MULTI SET + XADD throughput': { atLeast: 1.3 },
  [`${FAR_UPSERT} p50`]: { atLeast: 50 },
  [`${FAR_UPSERT} p99`]: { atLeast: 50 },
  'BullMQ add throughput': { atLeast: 3 },
};

/** `saveUserState` against other ways to keep the same bytes. */
export async function measureSaves(
  servers: Servers,
  { cases, rounds, windowMs, warmUpMs, users }: SaveProfile,
): Promise<SuiteResult> {
  const figures: (Figure | undefined)[] = [];
  // A round's own warm-up is too short for V8 to compile what the first calls of a contender run through.
  for (const one of cases.filter(isFirstOfConcurrency)) {
    await servers.reset();
    await measureCase(servers, { ...one, rounds: 0, windowMs: warmUpMs, users });
  }
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
            values: pair(resultsOf(results, CAUCE), measured, field),
            goal: hasGoal ? goals[`${reference} ${quantity}`] : undefined,
          }),
        );
      }
    }
  }
  return { figures, plots: cases.slice(0, 1).map((one) => plotThroughput(figures, one)) };
}

function isFirstOfConcurrency({ concurrency }: SaveCase, i: number, cases: readonly SaveCase[]): boolean {
  return cases.findIndex((one) => one.concurrency === concurrency) === i;
}

async function measureCase(
  servers: Servers,
  {
    stateBytes,
    distribution,
    concurrency,
    rounds,
    windowMs,
    users,
  }: Required<SaveCase> & Pick<SaveProfile, 'users'>,
): Promise<Results<SaveResult>> {
  const contenders: Contender[] = await Promise.all([
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
    return await interleave(contenders, { rounds }, async ({ name, save, cleanUp }): Promise<SaveResult> => {
      const call = () => save(draw(), states.nth(saves++));
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

function plotThroughput(
  figures: readonly (Figure | undefined)[],
  { stateBytes, distribution }: SaveCase,
): Plot {
  const points = figures
    .filter((figure) => figure !== undefined)
    .filter(
      ({ quantity, what }) =>
        quantity === 'throughput' && what.startsWith(`${stateBytes} B, ${distribution},`),
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
        .map(({ what, ratio }) => ({ x: Number(/(\d+) at a time/.exec(what)?.[1]), ...ratio }))
        .sort((a, b) => a.x - b.x),
    })),
  };
}
