// A sync consumer. `sync`: everything that waits, now; with an interval of a minute or more it does nothing else.
import { readSettings, startPeriodicSync } from '@cauce/sync-consumer';
import { answerCommands } from './answer-commands.ts';

const settings = readSettings(process.env);
const { REDIS_URL, DATABASE_URL } = settings;
if (REDIS_URL === undefined || DATABASE_URL === undefined)
  throw new Error('where Redis and PostgreSQL are is missing');
const sync = startPeriodicSync({ redis: REDIS_URL, database: DATABASE_URL, settings });
while (!sync.consumer.readiness.isReady) await new Promise((resolve) => setTimeout(resolve, 10));

answerCommands({
  async sync() {
    const total = { written: 0, statements: 0 };
    for (let written = -1; written !== 0; ) {
      const report = await sync.consumer.pass.syncNew(AbortSignal.timeout(300_000));
      written = report.written;
      total.written += report.written;
      total.statements += report.statements;
    }
    return total;
  },
});
