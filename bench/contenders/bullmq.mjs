import { Queue } from 'bullmq';
import { refOf } from '../workload/users.mjs';

export const QUEUE = 'saves';
/** Jobs at the same time, each with a connection to PostgreSQL of its own. */
export const WORKER_CONCURRENCY = 32;

export function redisOptions(redisUrl) {
  const { hostname, port } = new URL(redisUrl);
  return { host: hostname, port: Number(port), maxRetriesPerRequest: null };
}

/** One job a save, as it is commonly done; completed jobs are removed. */
export async function openBullmq({ redisUrl }) {
  const queue = new Queue(QUEUE, { connection: redisOptions(redisUrl) });
  await queue.waitUntilReady();
  return {
    name: 'BullMQ add',
    save: (user, { state }) => queue.add('save', { ...refOf(user), state }, { removeOnComplete: true }),
    saveMany: (saves) =>
      queue.addBulk(
        saves.map(({ user, state }) => ({
          name: 'save',
          data: { ...refOf(user), state },
          opts: { removeOnComplete: true },
        })),
      ),
    cleanUp: () => queue.obliterate({ force: true }),
    close: () => queue.close(),
  };
}
