import { openBullmq } from '../contenders/bullmq.ts';
import { openCauce } from '../contenders/cauce.ts';
import type { Servers } from '../servers.ts';
import { startChild, startConsumer } from './child.ts';
import { everyInterval } from './consumer-settings.ts';

/** What BullMQ's worker answers, by command. */
interface WorkerAnswers {
  readonly start: null;
  readonly pause: null;
  readonly sync: null;
  readonly cpu: number;
}

export function startBullmqWorker({ redisUrl, databaseUrl }: Pick<Servers, 'redisUrl' | 'databaseUrl'>) {
  return startChild<WorkerAnswers>('bullmq-worker.js', { REDIS_URL: redisUrl, DATABASE_URL: databaseUrl });
}

/** `saveUserState` with a consumer, and BullMQ with its worker, to be used in turns. */
export async function startPipelines(servers: Servers, { intervalMs }: { readonly intervalMs: number }) {
  const consumer = await startConsumer(everyInterval(servers, { intervalMs }));
  const worker = await startBullmqWorker(servers);
  const cauce = await openCauce(servers);
  const bullmq = await openBullmq(servers);
  return {
    ...{ consumer, worker, cauce, bullmq },
    stop: () => Promise.all([cauce.close(), bullmq.close(), consumer.stop(), worker.stop()]),
  };
}
