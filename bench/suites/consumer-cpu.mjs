import { toFigure } from '../measure/figure.mjs';
import { interleave } from '../measure/interleave.mjs';
import { runOpenLoop } from '../measure/open-loop.mjs';
import { startCarriers } from '../processes/carriers.mjs';
import { createStates } from '../workload/states.mjs';
import { createUserDraw } from '../workload/users.mjs';

const CAUCE = 'the consumer';
const BULLMQ = "BullMQ's worker";

/** Processor time of the process that syncs, for 1,000 saves at a steady rate. */
export async function measureConsumerCpu(
  servers,
  { rounds, perSecond, windowMs, intervalMs, stateBytes, users },
) {
  await servers.reset();
  const states = createStates(stateBytes);
  const { consumer, worker, cauce, bullmq, stop } = await startCarriers(servers, { intervalMs });
  await worker.ask('start');
  const draw = createUserDraw('zipf', users);
  const contenders = [
    { name: CAUCE, child: consumer, save: cauce.save },
    { name: BULLMQ, child: worker, save: bullmq.save },
  ];
  try {
    const results = await interleave(contenders, { rounds }, async ({ child, save }) => {
      const before = await child.ask('cpu');
      const { count } = await runOpenLoop((i) => save(draw(), states[i % states.length]), {
        perSecond,
        durationMs: windowMs,
      });
      return { secondsPerThousand: (((await child.ask('cpu')) - before) / count) * 1000 };
    });
    const figure = toFigure({
      what: `${perSecond} saves/s of ${stateBytes} B by ${users} users (zipf), every ${intervalMs / 1000} s`,
      quantity: 'CPU for 1,000 saves',
      ...{ unit: 's', subject: CAUCE, reference: BULLMQ, better: 'lower' },
      values: results.get(CAUCE).map(({ secondsPerThousand }, round) => ({
        subject: secondsPerThousand,
        reference: results.get(BULLMQ)[round].secondsPerThousand,
      })),
    });
    return { figures: [figure], plots: [] };
  } finally {
    await stop();
  }
}
