import { openBullmq } from '../contenders/bullmq.mjs';
import { openCauce } from '../contenders/cauce.mjs';
import { startChild } from './child.mjs';
import { everyInterval } from './consumer-settings.mjs';

export function startBullmqWorker({ redisUrl, databaseUrl }) {
  return startChild('bullmq-worker.mjs', { REDIS_URL: redisUrl, DATABASE_URL: databaseUrl });
}

/** `saveUserState` with a consumer, and BullMQ with its worker, to be used in turns. */
export async function startCarriers(servers, { intervalMs }) {
  const consumer = await startChild('consumer.mjs', everyInterval(servers, { intervalMs }));
  const worker = await startBullmqWorker(servers);
  const cauce = await openCauce(servers);
  const bullmq = await openBullmq(servers);
  return {
    ...{ consumer, worker, cauce, bullmq },
    stop: () => Promise.all([cauce.close(), bullmq.close(), consumer.stop(), worker.stop()]),
  };
}
