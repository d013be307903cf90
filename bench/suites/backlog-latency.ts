import { openCauce } from '../contenders/cauce.ts';
import type { LoopResult } from '../measure/closed-loop.ts';
import { toFigure } from '../measure/figure.ts';
import { runOpenLoop } from '../measure/open-loop.ts';
import { startConsumer } from '../processes/child.ts';
import { onDemandConsumer } from '../processes/consumer-settings.ts';
import type { Servers } from '../servers.ts';
import { openFill, range } from '../workload/fill.ts';
import { createStates } from '../workload/states.ts';
import { createUserDraw } from '../workload/users.ts';
import type { SuiteResult } from './suite.ts';

const LONGEST_MS = 300_000;

export interface BacklogLatencyProfile {
  readonly rounds: number;
  readonly backlog: number;
  readonly perSecond: number;
  readonly restMs: number;
  readonly stateBytes: number;
  readonly users: number;
}

/** Latency of saves while a consumer drains a large backlog, against the same saves while it rests. */
export async function measureBacklogLatency(
  servers: Servers,
  { rounds, backlog, perSecond, restMs, stateBytes, users }: BacklogLatencyProfile,
): Promise<SuiteResult> {
  await servers.reset();
  const states = createStates(stateBytes);
  const consumer = await startConsumer(onDemandConsumer(servers));
  const fill = await openFill(servers);
  const bot = await openCauce(servers);
  const draw = createUserDraw('uniform', users);
  const save = (i: number) => bot.save(draw(), states.nth(i));
  const measured: { readonly resting: LoopResult; readonly draining: LoopResult }[] = [];
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
  const figures = (
    [
      ['p50', 'p50Ms'],
      ['p99', 'p99Ms'],
      ['p99.9', 'p999Ms'],
    ] as const
  ).map(([quantity, field]) =>
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
