import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { openCauce } from '../contenders/cauce.ts';
import { runAll } from '../measure/closed-loop.ts';
import { spreadOf } from '../measure/figure.ts';
import { usedMemoryBytes } from '../measure/redis-memory.ts';
import { startConsumer } from '../processes/child.ts';
import { everyInterval } from '../processes/consumer-settings.ts';
import type { Servers } from '../servers.ts';
import { createStates } from '../workload/states.ts';
import type { SuiteResult } from './suite.ts';

const CONCURRENCY = 64;
/** Longer than the consumer's interval. */
const REST_MS = 1000;
const STEADY_BYTES = 20_000;

export interface OutageMemoryProfile {
  readonly sessions: number;
  readonly savesEach: readonly number[];
  readonly stateBytes: number;
}

/** PostgreSQL is away and a consumer waits for it: Redis must grow with the sessions, not with the saves. */
export async function measureOutageMemory(
  servers: Servers,
  { sessions, savesEach, stateBytes }: OutageMemoryProfile,
): Promise<SuiteResult> {
  await servers.reset();
  const states = createStates(stateBytes);
  const consumer = await startConsumer({
    ...everyInterval(servers, { intervalMs: 200 }),
    DATABASE_URL: servers.countedDatabaseUrl,
  });
  const bot = await openCauce(servers);
  servers.countedProxy.refuse();
  servers.countedProxy.cutConnections();
  const points: { readonly times: number; readonly bytes: number }[] = [];
  let saves = 0;
  try {
    const atStart = await usedMemoryBytes(servers.redis);
    for (const times of savesEach) {
      const count = sessions * times - saves;
      await runAll((i) => bot.save(i % sessions, states.nth(saves + i)), {
        count,
        concurrency: CONCURRENCY,
      });
      saves += count;
      points.push({ times, bytes: (await restingMemoryBytes(servers.redis)) - atStart });
    }
  } finally {
    await Promise.all([bot.close(), consumer.stop()]);
    await servers.countedProxy.accept();
  }
  const [first] = points;
  if (!first) return { figures: [], plots: [] };
  const figures = points.slice(1).map(({ times, bytes }) => ({
    what: `${sessions} sessions of ${stateBytes} B, each saved ${times} times, PostgreSQL away`,
    quantity: 'used_memory',
    subject: `${times} saves a session`,
    reference: `${first.times} save a session`,
    ratio: spreadOf([bytes / first.bytes]),
    measured: { unit: 'B', subject: bytes, reference: first.bytes },
    goal: { atMost: 1.05 },
  }));
  return {
    figures,
    plots: [
      {
        name: 'outage-memory',
        title: `Memory of Redis while PostgreSQL is away, ${sessions} sessions of ${stateBytes} B`,
        x: { label: 'saves a session' },
        y: { label: 'times the memory after one save each', from: 0 },
        series: [
          {
            name: 'used_memory',
            points: points.map(({ times, bytes }) => ({ x: times, median: bytes / first.bytes })),
          },
        ],
      },
    ],
  };
}

/** When it changes no more: the consumer reads events until it notices that PostgreSQL is away, and Redis notes by whom. */
async function restingMemoryBytes(redis: Redis): Promise<number> {
  for (let before = 0, now = await usedMemoryBytes(redis); ; before = now) {
    await delay(REST_MS);
    now = await usedMemoryBytes(redis);
    if (Math.abs(now - before) < STEADY_BYTES) return now;
  }
}
