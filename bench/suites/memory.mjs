import { spreadOf } from '../measure/figure.mjs';
import { usedMemoryBytes } from '../measure/redis-memory.mjs';
import { startChild } from '../processes/child.mjs';
import { onDemandConsumer } from '../processes/consumer-settings.mjs';
import { openFill, range } from '../workload/fill.mjs';
import { createStates } from '../workload/states.mjs';

const MOST_BYTES = 100e6;
const MOST_SESSIONS = 10_000;

/** How much memory of Redis a session takes, against the bytes of its state. */
export async function measureMemory(servers, { sessions, stateSizes }) {
  const figures = [];
  for (const stateBytes of stateSizes) {
    await servers.reset();
    const states = createStates(stateBytes);
    const consumer = await startChild('consumer.mjs', onDemandConsumer(servers));
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
