import { toFigure } from '../measure/figure.ts';
import { interleave, resultsOf } from '../measure/interleave.ts';
import { runOpenLoop } from '../measure/open-loop.ts';
import { startPipelines } from '../processes/pipelines.ts';
import type { Servers } from '../servers.ts';
import { createStates } from '../workload/states.ts';
import { createUserDraw } from '../workload/users.ts';
import type { SuiteResult } from './suite.ts';

const CAUCE = 'the consumer';
const BULLMQ = "BullMQ's worker";

export interface ConsumerCpuProfile {
  readonly rounds: number;
  readonly perSecond: number;
  readonly windowMs: number;
  readonly intervalMs: number;
  readonly stateBytes: number;
  readonly users: number;
}

/** Processor time of the process that syncs, for 1,000 saves at a steady rate. */
export async function measureConsumerCpu(
  servers: Servers,
  { rounds, perSecond, windowMs, intervalMs, stateBytes, users }: ConsumerCpuProfile,
): Promise<SuiteResult> {
  await servers.reset();
  const states = createStates(stateBytes);
  const { consumer, worker, cauce, bullmq, stop } = await startPipelines(servers, { intervalMs });
  await worker.ask('start');
  const draw = createUserDraw('zipf', users);
  const contenders = [
    { name: CAUCE, cpuSeconds: () => consumer.ask('cpu'), save: cauce.save },
    { name: BULLMQ, cpuSeconds: () => worker.ask('cpu'), save: bullmq.save },
  ];
  try {
    const results = await interleave(contenders, { rounds }, async ({ cpuSeconds, save }) => {
      const before = await cpuSeconds();
      const { count } = await runOpenLoop((i) => save(draw(), states.nth(i)), {
        perSecond,
        durationMs: windowMs,
      });
      return { secondsPerThousand: (((await cpuSeconds()) - before) / count) * 1000 };
    });
    const figure = toFigure({
      what: `${perSecond} saves/s of ${stateBytes} B by ${users} users (zipf), every ${intervalMs / 1000} s`,
      quantity: 'CPU for 1,000 saves',
      ...{ unit: 's', subject: CAUCE, reference: BULLMQ, better: 'lower' },
      values: resultsOf(results, CAUCE).map(({ secondsPerThousand }, round) => ({
        subject: secondsPerThousand,
        reference: resultsOf(results, BULLMQ)[round]?.secondsPerThousand,
      })),
    });
    return { figures: [figure], plots: [] };
  } finally {
    await stop();
  }
}
