import type { SessionRef } from '@cauce/protocol';
import { Queue } from 'bullmq';
import type { Servers } from '../servers.ts';
import type { ChatState, State } from '../workload/states.ts';
import { refOf } from '../workload/users.ts';
import type { Contender } from './contender.ts';

export const QUEUE = 'saves';
/** Jobs at the same time, each with a connection to PostgreSQL of its own. */
export const WORKER_CONCURRENCY = 32;

export function redisOptions(redisUrl: string) {
  const { hostname, port } = new URL(redisUrl);
  return { host: hostname, port: Number(port), maxRetriesPerRequest: null };
}

/** A save. */
export type Job = SessionRef & { readonly state: ChatState };

export interface Bullmq extends Contender {
  saveMany(saves: readonly { readonly user: number; readonly state: State['state'] }[]): Promise<unknown>;
}

/** One job a save, as it is commonly done; completed jobs are removed. */
export async function openBullmq({ redisUrl }: Pick<Servers, 'redisUrl'>): Promise<Bullmq> {
  const queue = new Queue<Job>(QUEUE, { connection: redisOptions(redisUrl) });
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
