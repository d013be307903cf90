import { CAUCE } from '../contenders/cauce.mjs';
import { runClosedLoop } from '../measure/closed-loop.mjs';
import { pair, toFigure } from '../measure/figure.mjs';
import { interleave } from '../measure/interleave.mjs';
import { startCarriers } from '../processes/carriers.mjs';
import { createStates } from '../workload/states.mjs';
import { createUserDraw } from '../workload/users.mjs';

const BULLMQ = 'BullMQ add, its worker at work';

/** Saves while a process syncs them: `saveUserState` and a consumer against BullMQ and its worker. */
export async function measurePipeline(servers, profile) {
  const { rounds, windowMs, concurrency, intervalMs, stateBytes, users } = profile;
  await servers.reset();
  const states = createStates(stateBytes);
  const { consumer, worker, cauce, bullmq, stop } = await startCarriers(servers, { intervalMs });
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
      const call = () => save(draw(), states[saves++ % states.length]);
      const result = await runClosedLoop(call, { concurrency, durationMs: windowMs });
      await after();
      return result;
    });
    const figures = [
      { quantity: 'throughput', field: 'perSecond', unit: '1/s', better: 'higher' },
      { quantity: 'p50', field: 'p50Ms', unit: 'ms', better: 'lower' },
      { quantity: 'p99', field: 'p99Ms', unit: 'ms', better: 'lower' },
    ].map(({ field, ...quantity }) =>
      toFigure({
        what: `${stateBytes} B, zipf, ${concurrency} at a time`,
        ...{ subject: `${CAUCE}, a consumer at work`, reference: BULLMQ, ...quantity },
        values: pair(results.get(CAUCE), results.get(BULLMQ), field),
      }),
    );
    return { figures, plots: [] };
  } finally {
    await stop();
  }
}
