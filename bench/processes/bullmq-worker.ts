// BullMQ's worker, one upsert a job. `sync 100`: so many jobs, then on until `pause`; `start`: from now on.
import { Worker } from 'bullmq';
import pg from 'pg';
import { type Job, QUEUE, redisOptions, WORKER_CONCURRENCY } from '../contenders/bullmq.ts';
import { upsertStatement } from '../contenders/direct-upsert.ts';
import { answerCommands } from './answer-commands.ts';

const { REDIS_URL = '', DATABASE_URL } = process.env;
const pool = new pg.Pool({ connectionString: DATABASE_URL, max: WORKER_CONCURRENCY });
const upsert = ({ data: { tenantId, userId, state } }: { readonly data: Job }) =>
  pool.query(upsertStatement, [tenantId, userId, JSON.stringify(state)]);
const worker = new Worker<Job>(QUEUE, upsert, {
  connection: redisOptions(REDIS_URL),
  concurrency: WORKER_CONCURRENCY,
  autorun: false,
  // How long it waits for jobs before it looks again, s: a pause waits for that.
  drainDelay: 1,
});
worker.on('error', (error) => process.stderr.write(`${error.stack}\n`));
await worker.waitUntilReady();
let completed = 0;
worker.on('completed', () => {
  completed++;
});

answerCommands({
  start: () => worker.resume(),
  pause: () => worker.pause(),
  async sync(jobs) {
    const wanted = completed + Number(jobs);
    const done = new Promise<void>((resolve) => {
      worker.on('completed', function look() {
        if (completed < wanted) return;
        worker.off('completed', look);
        resolve();
      });
    });
    await worker.resume();
    await done;
  },
});
