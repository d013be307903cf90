import { openCauce } from '../contenders/cauce.mjs';
import { openDirectUpsert } from '../contenders/direct-upsert.mjs';
import { runAll } from '../measure/closed-loop.mjs';
import { toFigure } from '../measure/figure.mjs';
import { startChild } from '../processes/child.mjs';
import { onDemandConsumer } from '../processes/consumer-settings.mjs';
import { createStates } from '../workload/states.mjs';
import { createUserDraw } from '../workload/users.mjs';

/** SYNC_EARLY_SESSIONS: with so many waiting the consumer does not wait for its interval. */
const EARLY_SESSIONS = 20_000;
const CONCURRENCY = 32;
const CONNECTIONS = 4;

/**
 * What is sent to PostgreSQL for 1,000 saves, against one upsert a save. Time is compressed: the saves of an interval
 * are made as fast as they can, then the consumer makes its pass. What coalesces depends on the saves between two
 * passes alone.
 */
export async function measureTraffic(servers, { cases, atLeastMs, stateBytes, directSaves }) {
  const figures = [];
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
    for (const quantity of ['statements', 'bytes']) {
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

async function countPipeline(servers, { saves, perSecond, intervalMs, draw, states }) {
  const consumer = await startChild('consumer.mjs', {
    ...onDemandConsumer(servers),
    DATABASE_URL: servers.countedDatabaseUrl,
  });
  const bot = await openCauce(servers);
  const total = { rows: 0, statements: 0, bytes: 0 };
  const dirty = new Set();
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
      const users = [];
      const endOfInterval = Math.min(saves, (Math.floor(done / savesInInterval) + 1) * savesInInterval);
      while (done + users.length < endOfInterval && dirty.size < EARLY_SESSIONS) {
        const user = draw();
        users.push(user);
        dirty.add(user);
      }
      await runAll((i) => bot.save(users[i], states[(done + i) % states.length]), {
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

async function countDirect(servers, { saves, draw, states }) {
  const direct = await openDirectUpsert(servers.countedDatabaseUrl, {
    name: 'direct upsert',
    connections: CONNECTIONS,
  });
  const bytesBefore = servers.countedProxy.bytesToTarget;
  await runAll((i) => direct.save(draw(), states[i % states.length]), {
    count: saves,
    concurrency: CONNECTIONS,
  });
  const bytes = servers.countedProxy.bytesToTarget - bytesBefore;
  await direct.close();
  return { statements: saves, bytes };
}
