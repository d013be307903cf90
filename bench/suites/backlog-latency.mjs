import { openCauce } from '../contenders/cauce.mjs';
import { toFigure } from '../measure/figure.mjs';
import { runOpenLoop } from '../measure/open-loop.mjs';
import { startChild } from '../processes/child.mjs';
import { onDemandConsumer } from '../processes/consumer-settings.mjs';
import { openFill, range } from '../workload/fill.mjs';
import { createStates } from '../workload/states.mjs';
import { createUserDraw } from '../workload/users.mjs';

const LONGEST_MS = 300_000;

/** Latency of saves while a consumer drains a large backlog, against the same saves while it rests. */
export async function measureBacklogLatency(
  servers,
  { rounds, backlog, perSecond, restMs, stateBytes, users },
) {
  await servers.reset();
  const states = createStates(stateBytes);
  const consumer = await startChild('consumer.mjs', onDemandConsumer(servers));
  const fill = await openFill(servers);
  const bot = await openCauce(servers);
  const draw = createUserDraw('uniform', users);
  const save = (i) => bot.save(draw(), states[i % states.length]);
  const measured = [];
  try {
    await runOpenLoop(save, { perSecond, durationMs: restMs });
    for (let round = 0; round < rounds; round++) {
      // As many sessions are dirty in both, so that only the draining differs.
      await fill.saveDirty(range(0, backlog), states);
      const resting = await runOpenLoop(save, { perSecond, durationMs: restMs });
      const drained = consumer.ask('sync');
      const draining = await runOpenLoop(save, { perSecond, durationMs: LONGEST_MS, until: drained });
      measured.push({ resting, draining });
    }
  } finally {
    await Promise.all([fill.close(), bot.close(), consumer.stop()]);
  }
  const figures = [
    ['p50', 'p50Ms'],
    ['p99', 'p99Ms'],
    ['p99.9', 'p999Ms'],
  ].map(([quantity, field]) =>
    toFigure({
      what: `${perSecond} saves/s of ${stateBytes} B, ${backlog} dirty sessions`,
      ...{ quantity, unit: 'ms', subject: 'a consumer drains', reference: 'it rests', better: 'lower' },
      values: measured.map(({ resting, draining }) => ({
        subject: draining[field],
        reference: resting[field],
      })),
    }),
  );
  return { figures, plots: [] };
}
