// The real sync consumer, with pauses at the boundaries of a batch's life.
import { createPool } from '@cauce/postgres';
import { createLogger, readSettings, startPeriodicSync } from '@cauce/sync-consumer';
import { maybePause, maybeStall } from './buggify.ts';
import { watchReplies } from './watch-replies.ts';
import { watchStatements } from './watch-statements.ts';

watchReplies();
const settings = readSettings(process.env);
const { REDIS_URL, DATABASE_URL } = settings;
if (REDIS_URL === undefined || DATABASE_URL === undefined)
  throw new Error('where Redis and PostgreSQL are is missing');
const logger = createLogger('debug');
// The process' own pool, but for its patience: a run is too short for 15 s.
const database = createPool({
  databaseUrl: DATABASE_URL,
  maxConnections: settings.SYNC_BATCHES_IN_FLIGHT + 1,
  connectTimeoutMs: 2000,
  queryTimeoutMs: 4000,
  onError: () => {},
});
watchStatements(database);
const sync = startPeriodicSync({
  redis: REDIS_URL,
  database,
  settings,
  logger,
  async onPhase(phase) {
    if (phase === 'read') await maybePause(0.1, 100);
    if (phase === 'taken') {
      await maybePause(0.25, 250);
      maybeStall(0.004, settings.SYNC_CLAIM_IDLE, 2 * settings.SYNC_CLAIM_IDLE);
    }
    if (phase === 'committed') {
      await maybePause(0.15, 150);
      maybeStall(0.002, settings.SYNC_CLAIM_IDLE, 2 * settings.SYNC_CLAIM_IDLE);
    }
  },
});
process.on('SIGTERM', () => {
  void sync.stop().then(() => process.exit(0));
});
await sync.finished;
