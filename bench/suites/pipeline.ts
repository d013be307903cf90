import { CAUCE } from '../contenders/cauce.ts';
import { type LoopResult, runClosedLoop } from '../measure/closed-loop.ts';
import { pair, type Quantity, toFigure } from '../measure/figure.ts';
import { interleave, resultsOf } from '../measure/interleave.ts';
import { startPipelines } from '../processes/pipelines.ts';
import type { Servers } from '../servers.ts';
import { createStates } from '../workload/states.ts';
import { createUserDraw } from '../workload/users.ts';
import type { SuiteResult } from './suite.ts';

const BULLMQ = 'BullMQ add, its worker at work';
const quantities: readonly Quantity<keyof LoopResult>[] = [
  { quantity: 'throughput', field: 'perSecond', unit: '1/s', better: 'higher' },
  { quantity: 'p50', field: 'p50Ms', unit: 'ms', better: 'lower' },
  { quantity: 'p99', field: 'p99Ms', unit: 'ms', better: 'lower' },
];

export interface PipelineProfile {
  readonly rounds: number;
  readonly windowMs: number;
  readonly concurrency: number;
  readonly intervalMs: number;
  readonly stateBytes: number;
  readonly users: number;
}

/** Saves while a process syncs them: `saveUserState` and a consumer against BullMQ and its worker. */
export async function measurePipeline(servers: Servers, profile: PipelineProfile): Promise<SuiteResult> {
  const { rounds, windowMs, concurrency, intervalMs, stateBytes, users } = profile;
  await servers.reset();
  const states = createStates(stateBytes);
  const { consumer, worker, cauce, bullmq, stop } = await startPipelines(servers, { intervalMs });
  const draw = createUserDraw('zipf', users);
  const contenders = [
    { name: CAUCE, save: cauce.save, before: async () => {}, after: () => consumer.ask('sync') },
    {
      name: BULLMQ,
      save: bullmq.save,
      before: () => worker.ask('start'),
      async after() {
        await worker.ask('pause');
        await bullmq.cleanUp();
      },
    },
  ];
  let saves = 0;
  try {
    const results = await interleave(contenders, { rounds }, async ({ save, before, after }) => {
      await before();
      const call = () => save(draw(), states.nth(saves++));
      const result = await runClosedLoop(call, { concurrency, durationMs: windowMs });
      await after();
      return result;
    });
    const figures = quantities.map(({ field, ...quantity }) =>
      toFigure({
        what: `${stateBytes} B, zipf, ${concurrency} at a time`,
        ...{ subject: `${CAUCE}, a consumer at work`, reference: BULLMQ, ...quantity },
        values: pair(resultsOf(results, CAUCE), resultsOf(results, BULLMQ), field),
      }),
    );
    return { figures, plots: [] };
  } finally {
    await stop();
  }
}
