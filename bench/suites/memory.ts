import { type Figure, spreadOf } from '../measure/figure.ts';
import { usedMemoryBytes } from '../measure/redis-memory.ts';
import { startConsumer } from '../processes/child.ts';
import { onDemandConsumer } from '../processes/consumer-settings.ts';
import type { Servers } from '../servers.ts';
import { openFill, range } from '../workload/fill.ts';
import { createStates } from '../workload/states.ts';
import type { SuiteResult } from './suite.ts';

const MOST_BYTES = 100e6;
const MOST_SESSIONS = 10_000;

export interface MemoryProfile {
  readonly sessions: number;
  readonly stateSizes: readonly number[];
}

/** How much memory of Redis a session takes, against the bytes of its state. */
export async function measureMemory(
  servers: Servers,
  { sessions, stateSizes }: MemoryProfile,
): Promise<SuiteResult> {
  const figures: Figure[] = [];
  for (const stateBytes of stateSizes) {
    await servers.reset();
    const states = createStates(stateBytes);
    const consumer = await startConsumer(onDemandConsumer(servers));
    const fill = await openFill(servers);
    const atStart = await usedMemoryBytes(servers.redis);
    await fill.saveDirty(range(0, sessions), states);
    const dirty = (await usedMemoryBytes(servers.redis)) - atStart;
    await consumer.ask('sync');
    const synced = (await usedMemoryBytes(servers.redis)) - atStart;
    await Promise.all([fill.close(), consumer.stop()]);
    for (const [subject, bytes] of Object.entries({ 'all dirty': dirty, 'all synced': synced })) {
      figures.push({
        what: `${sessions} sessions of ${stateBytes} B`,
        quantity: 'used_memory a session',
        ...{ subject, reference: 'the state alone' },
        ratio: spreadOf([bytes / sessions / stateBytes]),
        measured: { unit: 'B', subject: bytes / sessions, reference: stateBytes },
        ...(stateBytes === 1024 ? { goal: { atMost: MOST_BYTES / MOST_SESSIONS / stateBytes } } : {}),
      });
    }
  }
  return { figures, plots: [] };
}
