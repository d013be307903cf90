import { openCauce } from '../contenders/cauce.ts';
import { openDirectUpsert } from '../contenders/direct-upsert.ts';
import { runAll } from '../measure/closed-loop.ts';
import { type Figure, toFigure } from '../measure/figure.ts';
import { startConsumer } from '../processes/child.ts';
import { onDemandConsumer } from '../processes/consumer-settings.ts';
import type { Servers } from '../servers.ts';
import { createStates, type States } from '../workload/states.ts';
import { createUserDraw, type Distribution, type UserDraw } from '../workload/users.ts';
import type { SuiteResult } from './suite.ts';

/** SYNC_EARLY_SESSIONS: with so many waiting the consumer does not wait for its interval. */
const EARLY_SESSIONS = 20_000;
const CONCURRENCY = 32;
const CONNECTIONS = 4;

export interface TrafficCase {
  readonly users: number;
  readonly distribution: Distribution;
  readonly intervalMs: number;
  /** Saves. */
  readonly perSecond: number;
}

export interface TrafficProfile {
  readonly cases: readonly TrafficCase[];
  readonly atLeastMs: number;
  readonly stateBytes: number;
  readonly directSaves: number;
}

interface Traffic {
  rows: number;
  statements: number;
  bytes: number;
}

interface Workload {
  readonly saves: number;
  readonly draw: UserDraw;
  readonly states: States;
}

/**
 * What is sent to PostgreSQL for 1,000 saves, against one upsert a save. Time is compressed: the saves of an interval
 * are made as fast as they can, then the consumer makes its pass. What coalesces depends on the saves between two
 * passes alone.
 */
export async function measureTraffic(
  servers: Servers,
  { cases, atLeastMs, stateBytes, directSaves }: TrafficProfile,
): Promise<SuiteResult> {
  const figures: (Figure | undefined)[] = [];
  for (const { users, distribution, intervalMs, perSecond } of cases) {
    const saves = (perSecond * Math.max(intervalMs, atLeastMs)) / 1000;
    await servers.reset();
    const states = createStates(stateBytes);
    const draw = createUserDraw(distribution, users);
    const cauce = await countPipeline(servers, { saves, perSecond, intervalMs, draw, states });
    const direct = await countDirect(servers, { saves: directSaves, draw, states });
    const what =
      `${saves} saves of ${stateBytes} B at ${perSecond}/s by ${users} users (${distribution}), ` +
      `every ${intervalMs / 1000} s: ${cauce.rows} rows in ${cauce.statements} statements`;
    const goal = intervalMs === 60_000 ? { atLeast: 10 } : undefined;
    for (const quantity of ['statements', 'bytes'] as const) {
      figures.push(
        toFigure({
          what,
          quantity: `${quantity} for 1,000 saves`,
          unit: quantity === 'bytes' ? 'B' : '',
          ...{ subject: 'saveUserState and a consumer', reference: 'direct upsert', better: 'lower', goal },
          values: [
            {
              subject: (cauce[quantity] / saves) * 1000,
              reference: (direct[quantity] / directSaves) * 1000,
            },
          ],
        }),
      );
    }
  }
  return { figures, plots: [] };
}

async function countPipeline(
  servers: Servers,
  { saves, perSecond, intervalMs, draw, states }: Workload & Pick<TrafficCase, 'perSecond' | 'intervalMs'>,
): Promise<Traffic> {
  const consumer = await startConsumer({
    ...onDemandConsumer(servers),
    DATABASE_URL: servers.countedDatabaseUrl,
  });
  const bot = await openCauce(servers);
  const total: Traffic = { rows: 0, statements: 0, bytes: 0 };
  const dirty = new Set<number>();
  const savesInInterval = (perSecond * intervalMs) / 1000;
  const sync = async () => {
    const bytesBefore = servers.countedProxy.bytesToTarget;
    const { written, statements } = await consumer.ask('sync');
    dirty.clear();
    total.rows += written;
    total.statements += statements;
    total.bytes += servers.countedProxy.bytesToTarget - bytesBefore;
  };
  try {
    for (let done = 0; done < saves; ) {
      const users: number[] = [];
      const endOfInterval = Math.min(saves, (Math.floor(done / savesInInterval) + 1) * savesInInterval);
      while (done + users.length < endOfInterval && dirty.size < EARLY_SESSIONS) {
        const user = draw();
        users.push(user);
        dirty.add(user);
      }
      await runAll((i) => bot.save(users[i] ?? 0, states.nth(done + i)), {
        count: users.length,
        concurrency: CONCURRENCY,
      });
      done += users.length;
      await sync();
    }
  } finally {
    await Promise.all([bot.close(), consumer.stop()]);
  }
  return total;
}

async function countDirect(
  servers: Servers,
  { saves, draw, states }: Workload,
): Promise<Pick<Traffic, 'statements' | 'bytes'>> {
  const direct = await openDirectUpsert(servers.countedDatabaseUrl, {
    name: 'direct upsert',
    connections: CONNECTIONS,
  });
  const bytesBefore = servers.countedProxy.bytesToTarget;
  await runAll((i) => direct.save(draw(), states.nth(i)), {
    count: saves,
    concurrency: CONNECTIONS,
  });
  const bytes = servers.countedProxy.bytesToTarget - bytesBefore;
  await direct.close();
  return { statements: saves, bytes };
}
